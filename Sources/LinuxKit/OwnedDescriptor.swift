import CLinux
import SystemPackage

/// A file descriptor with one owner: close-on-exec from birth, closed when the value ends.
package struct OwnedDescriptor: ~Copyable, Sendable {
    /// For the modules that wrap C: it must not outlive the value, nor be closed.
    package let rawValue: CInt

    /// Takes over an open descriptor that nobody else closes.
    package init(owning rawValue: CInt) {
        self.rawValue = rawValue
    }

    deinit {
        // close(2) releases the descriptor even when it answers EINTR or EIO; there is nothing left to undo.
        _ = clinux_close(rawValue)
    }
}

extension OwnedDescriptor {
    /// Opens `path` with open(2); `O_CLOEXEC` is always added.
    static func open(
        _ path: FilePath, _ flags: CInt, mode: CUnsignedInt = 0, as operation: SystemError.Operation = .open
    ) throws(SystemError) -> OwnedDescriptor {
        OwnedDescriptor(
            owning: try call(operation, path) {
                unsafe path.withPlatformString { unsafe clinux_open($0, flags, mode) }
            })
    }

    /// Reads from the descriptor's offset to its end; `path` is for the error only.
    ///
    /// - Throws: `.read` with `.fileTooLarge` for more than `limit` bytes, of which the rest is not read.
    func readToEnd(path: FilePath, limit: Int = .max) throws(SystemError) -> [UInt8] {
        var content: [UInt8] = []
        try unsafe eachChunk(path: path) { (chunk) throws(SystemError) in
            unsafe content.append(contentsOf: chunk)
            guard content.count <= limit else { throw SystemError(.read, path, errno: .fileTooLarge) }
        }
        return content
    }

    /// As ``readToEnd(path:limit:)``, piece by piece.
    func eachChunk(
        path: FilePath, _ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(SystemError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 1)
        defer { unsafe buffer.deallocate() }
        while true {
            let count = try call(.read, path) { unsafe clinux_read(rawValue, buffer.baseAddress, buffer.count) }
            if count == 0 { return }
            try unsafe body(UnsafeRawBufferPointer(rebasing: buffer.prefix(Int(count))))
        }
    }

    /// Writes all of `content`; `path` is for the error only.
    func writeAll(_ content: [UInt8], path: FilePath) throws(SystemError) {
        var written = 0
        while written < content.count {
            var failure: SystemError?
            unsafe content.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                do throws(SystemError) {
                    written += Int(
                        try call(.write, path) { unsafe clinux_write(rawValue, rest.baseAddress, rest.count) })
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
        }
    }

    /// Writes in one write(2); answers how many bytes were taken. `path` is for the error only.
    func writeOnce(
        _ content: [UInt8], path: FilePath, as operation: SystemError.Operation
    ) throws(SystemError) -> Int {
        let rawValue = rawValue
        return Int(
            try call(operation, path) {
                unsafe content.withUnsafeBytes { unsafe clinux_write(rawValue, $0.baseAddress, $0.count) }
            })
    }

    /// Sets the mode, whatever the umask (fchmod(2)); `path` is for the error only.
    func changeMode(to mode: CUnsignedInt, path: FilePath) throws(SystemError) {
        let rawValue = rawValue
        try call(.chmod, path) { clinux_change_mode(rawValue, mode) }
    }

    /// Has the content written to the disk; `path` is for the error only.
    func sync(path: FilePath) throws(SystemError) {
        let rawValue = rawValue
        try call(.fsync, path) { clinux_sync(rawValue) }
    }

    /// Cuts the file off after `size` bytes; `path` is for the error only.
    func truncate(to size: Int, path: FilePath) throws(SystemError) {
        let rawValue = rawValue
        try call(.write, path) { clinux_truncate(rawValue, Int64(size)) }
    }
}
