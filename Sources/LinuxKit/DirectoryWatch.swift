import CLinux
import Glibc
import SystemPackage

/// inotify(7) on one directory.
struct DirectoryWatch: ~Copyable {
    /// What happened since it was last asked.
    struct Changes {
        /// Each name once, in the order of their first events.
        private(set) var names: [[UInt8]] = []
        /// Whether there was more than this: events were lost, or the directory is not the one it was.
        fileprivate(set) var areIncomplete = false
        private var known: Set<[UInt8]> = []

        fileprivate mutating func add(_ name: [UInt8]) {
            if known.insert(name).inserted { names.append(name) }
        }
    }

    private let descriptor: OwnedDescriptor
    private var watch: CInt?

    /// Watches nothing yet.
    init() throws(SystemError) {
        descriptor = OwnedDescriptor(owning: try call(.openNotify) { clinux_notify_open() })
    }

    var rawValue: CInt { descriptor.rawValue }

    /// Watches the directory that is at `path` now, and no other; answers whether it did so before. A watch is of an
    /// inode, which a mount over it, a rename or a new directory of the same name replaces.
    ///
    /// - Throws: `.watch` with `.noSuchFileOrDirectory`, `.notDirectory`, or `.noSpace`
    ///   (`fs.inotify.max_user_watches`).
    @discardableResult
    mutating func follow(_ path: FilePath) throws(SystemError) -> Bool {
        let rawValue = descriptor.rawValue
        let found: CInt
        do throws(SystemError) {
            found = try call(.watch, path) {
                unsafe path.withPlatformString { unsafe clinux_notify_watch(rawValue, $0) }
            }
        } catch {
            forget()
            throw error
        }
        // The same directory answers the same watch.
        let isSame = found == watch
        if !isSame { forget() }
        watch = found
        return isSame
    }

    private mutating func forget() {
        if let watch { _ = clinux_notify_forget(descriptor.rawValue, watch) }
        watch = nil
    }

    /// Takes all that waits in the queue; does not block.
    mutating func takeChanges() -> Changes {
        var changes = Changes()
        let size = 16 * 1024
        unsafe withUnsafeTemporaryAllocation(byteCount: size, alignment: MemoryLayout<inotify_event>.alignment) {
            buffer in
            while true {
                let count = unsafe clinux_read(descriptor.rawValue, buffer.baseAddress, size)
                if count == -EINTR { continue }
                guard count > 0 else { return }  // EAGAIN: the queue is empty
                unsafe take(UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)]), into: &changes)
            }
        }
        return changes
    }

    private mutating func take(_ events: UnsafeRawBufferPointer, into changes: inout Changes) {
        var rest = unsafe events[...]
        // SAFETY: inotify(7) writes whole events only: a header, then `len` bytes of name padded with NULs.
        // loadUnaligned and the slices trap, rather than read past the end, should that not hold.
        while unsafe !rest.isEmpty {
            let event = unsafe rest.loadUnaligned(as: inotify_event.self)
            let name = unsafe rest.dropFirst(MemoryLayout<inotify_event>.size).prefix(Int(event.len))
            unsafe rest = rest.dropFirst(MemoryLayout<inotify_event>.size + Int(event.len))
            let isOverflow = event.wd < 0
            // What an earlier watch has left in the queue is no news: a sweep followed it.
            guard isOverflow || event.wd == watch else { continue }
            if event.mask & clinux_notify_lost != 0 {
                changes.areIncomplete = true
                if event.mask & UInt32(IN_IGNORED) != 0 { watch = nil }
            } else if unsafe !name.isEmpty {
                unsafe changes.add(Array(name.prefix { $0 != 0 }))
            }
        }
    }
}
