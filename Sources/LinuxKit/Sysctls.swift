import Glibc
import SystemPackage

/// The settings below `/proc/sys/net` of the network namespace that the calling thread is in, whatever the process's:
/// the kernel asks for the namespace of whoever opens the file. Call it inside ``KernelThread/inside(_:_:)``.
///
/// What is not a namespace's own, such as `net.ipv4.tcp_mem`, is missing there or cannot be written, but for the first
/// namespace, whose settings are the host's (`ensure_safe_net_sysctl` in the kernel, Linux 5.13).
package enum Sysctls {
    private static let root: FilePath = "/proc/sys"
    /// Only the first namespace has it.
    private static let markOfTheFirst: FilePath = "/proc/sys/net/core/devconf_inherit_init_net"
    /// What every namespace can set, for all of the host, and for good (`nf_hooks_lwtunnel_sysctl_handler`).
    private static let ofTheHost: Set<String> = ["net.netfilter.nf_hooks_lwtunnel"]
    private static let longestValue = 64 * 1024

    /// The value without the newline at its end. What the kernel shows to root alone is a secret, such as
    /// `net.ipv4.tcp_fastopen_key`, and not answered.
    ///
    /// - Throws: `.openSysctl` with `.noSuchFileOrDirectory`, or with `.permissionDenied` for a secret or one that is only
    ///   written; `.readSysctl` with `.ioError` for one that has no value yet, such as `stable_secret`.
    package static func value(of key: SysctlKey) throws(SystemError) -> String {
        let file = try open(key.path, O_RDONLY)
        let facts = try FileFacts.of(file, path: key.path)
        guard facts.isReadableByOthers else { throw SystemError(.openSysctl, key.path, errno: .permissionDenied) }
        return text(try content(of: file, key.path))
    }

    /// Sets a value, and answers what the kernel has made of it.
    ///
    /// - Throws: `.openSysctl` as ``value(of:)``, and with `.permissionDenied` for one that is only read or only written;
    ///   `.verifySysctl` in the first namespace, and for one that is the host's in every namespace; `.writeSysctl` with `.invalidArgument` and others for a value that the
    ///   kernel refuses, or takes in part only, which is undone.
    package static func set(_ key: SysctlKey, to value: String) throws(SystemError) -> String {
        let isOfTheHost = try isInFirstNamespace()
        guard !isOfTheHost, !ofTheHost.contains(key.text) else {
            throw SystemError(.verifySysctl, key.path, errno: .notPermitted)
        }
        let file = try open(key.path, O_RDWR)
        // Through descriptors of their own: a write that is not at the beginning is ignored (kernel.sysctl_writes_strict).
        let before = try? content(of: open(key.path, O_RDONLY), key.path)
        let line = Array(value.utf8) + [UInt8(ascii: "\n")]
        let taken = try file.writeOnce(line, path: key.path, as: .writeSysctl)
        let now = text(try content(of: open(key.path, O_RDONLY), key.path))
        // Of "1 2" a sysctl that is one number takes the 1; some say so by the count.
        guard taken == line.count, words(now) >= words(value) else {
            if let before { _ = try open(key.path, O_WRONLY).writeOnce(before, path: key.path, as: .writeSysctl) }
            throw SystemError(.writeSysctl, key.path, errno: .invalidArgument)
        }
        return now
    }

    private static func words(_ value: String) -> Int {
        value.utf8.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.count
    }

    /// Those that can be read and that `isWanted` names, in the order of their keys. What is a secret, has no value, or
    /// is gone by the time it is read is left out, as is one whose link's name is not UTF-8.
    ///
    /// - Parameter prefix: What their keys begin with.
    package static func all(
        prefix: String, where isWanted: (SysctlKey) -> Bool
    ) throws(SystemError) -> [(key: SysctlKey, value: String)] {
        var found: [(key: SysctlKey, value: String)] = []
        try collect([Array("net".utf8)], Array(prefix.utf8), isWanted, into: &found)
        return found.sorted { $0.key < $1.key }
    }

    private static func isInFirstNamespace() throws(SystemError) -> Bool {
        do throws(SystemError) {
            _ = try Node.at(markOfTheFirst)
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }

    private static func collect(
        _ place: [[UInt8]], _ prefix: [UInt8], _ isWanted: (SysctlKey) -> Bool,
        into found: inout [(key: SysctlKey, value: String)]
    ) throws(SystemError) {
        let directory = place.reduce(root) { $0.entry($1) }
        let names: [[UInt8]]
        do throws(SystemError) {
            names = try FileSystem.names(in: directory)
        } catch  where error.errno == .noSuchFileOrDirectory && place.count > 1 {
            return  // that of a link which has been removed
        }
        for name in names {
            guard let key = SysctlKey(names: place + [name]) else { continue }
            let bytes = Array(key.text.utf8)
            // Beyond where the paths part, nothing begins with the prefix.
            guard bytes.starts(with: prefix) || prefix.starts(with: bytes) else { continue }
            let file: OwnedDescriptor
            do throws(SystemError) {
                file = try open(key.path, O_RDONLY, isDirectoryFine: true)
            } catch  where [.permissionDenied, .notPermitted, .noSuchFileOrDirectory].contains(error.errno) {
                continue
            }
            let facts = try FileFacts.of(file, path: key.path)
            if !facts.isRegular {
                try collect(place + [name], prefix, isWanted, into: &found)
            } else if bytes.starts(with: prefix), facts.isReadableByOthers, isWanted(key),
                let content = try? content(of: file, key.path)
            {
                found.append((key, text(content)))
            }
        }
    }

    private static func open(
        _ path: FilePath, _ flags: CInt, isDirectoryFine: Bool = false
    ) throws(SystemError) -> OwnedDescriptor {
        let file = try OwnedDescriptor.open(path, flags | O_NOFOLLOW, as: .openSysctl)
        if !isDirectoryFine {
            let facts = try FileFacts.of(file, path: path)
            guard facts.isRegular else { throw SystemError(.openSysctl, path, errno: .isDirectory) }
        }
        return file
    }

    private static func content(
        of file: borrowing OwnedDescriptor, _ path: FilePath
    ) throws(SystemError) -> [UInt8] {
        do throws(SystemError) {
            return try file.readToEnd(path: path, limit: longestValue)
        } catch {
            throw SystemError(.readSysctl, path, errno: error.errno)
        }
    }

    private static func text(_ content: [UInt8]) -> String {
        String(decoding: content.last == UInt8(ascii: "\n") ? content.dropLast() : content[...], as: UTF8.self)
    }
}
