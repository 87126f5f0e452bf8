import LinuxKit
package import SystemPackage

/// `resolv.conf` and `hosts` in a directory for each namespace, `/etc/netns/NAME`, whose files `ip netns exec` mounts
/// over those of `/etc` (ip-netns(8)). Every function blocks: call it from a worker.
///
/// Problem: these files outlive a boot and the daemon, namespaces do not, and others may write some too. Rule: the
/// first line of ours says so, and for which namespace of which mount directory; only such files go with the namespace,
/// and a start removes those whose namespace is gone. Remaining hazard: a program that runs already keeps the files
/// that it was started with, since they are mounted by inode.
package struct DNSFiles: Sendable {
    private let directory: FilePath
    private let namespaces: String

    private static let resolver = "resolv.conf"
    private static let hosts = "hosts"

    /// - Parameters:
    ///   - directory: Where the namespaces' directories are; made when it is needed.
    ///   - namespaces: The mount directory of the namespaces.
    package init(directory: FilePath, namespaces: String) {
        self.directory = directory
        self.namespaces = namespaces
    }

    /// What a namespace has, whoever wrote it; nil where it has neither file.
    func read(_ name: NamespaceName) throws(SystemError) -> DNSConfiguration? {
        let texts = (try text(Self.resolver, of: name), try text(Self.hosts, of: name))
        if texts == (nil, nil) { return nil }
        return DNSConfiguration(resolver: texts.0, hosts: texts.1)
    }

    /// Replaces what a namespace has, whoever wrote it: each file wholly or not at all, the one after the other.
    func write(_ configuration: DNSConfiguration, for name: NamespaceName) throws(SystemError) {
        try FileSystem.makeDirectory(directory, withMode: 0o755)
        try FileSystem.makeDirectory(directory.entry(name.bytes), withMode: 0o755)
        if let text = configuration.hostsText {
            try replace(Self.hosts, of: name, with: text)
        } else {
            try FileSystem.unlink(path(Self.hosts, of: name))
        }
        try replace(Self.resolver, of: name, with: configuration.resolverText)
    }

    /// Removes both files, whoever wrote them, and the directory unless there is more in it; answers false where there
    /// was neither.
    func remove(_ name: NamespaceName) throws(SystemError) -> Bool {
        var count = 0
        for file in [Self.resolver, Self.hosts] where try unlink(file, of: name) { count += 1 }
        try FileSystem.removeEmptyDirectory(directory.entry(name.bytes))
        return count > 0
    }

    /// Removes the files that were written here, and the directory unless there is more in it.
    func removeOurs(_ name: NamespaceName) throws(SystemError) {
        for file in [Self.resolver, Self.hosts] where isOurs(file, of: name) { _ = try unlink(file, of: name) }
        try FileSystem.removeEmptyDirectory(directory.entry(name.bytes))
    }

    /// The names for which files were written here, by this daemon or an earlier one. Removes the temporary files that
    /// a killed one has left.
    func survey() throws(SystemError) -> [NamespaceName] {
        let entries: [[UInt8]]
        do throws(SystemError) {
            entries = try FileSystem.names(in: directory)
        } catch  where error.errno == .noSuchFileOrDirectory {
            return []
        }
        var names: [NamespaceName] = []
        for entry in entries {
            if Self.isTemporary(entry), try FileFacts.at(directory.entry(entry)).isRegular {
                try FileSystem.unlink(directory.entry(entry))
                continue
            }
            guard let name = NamespaceName(bytes: entry) else { continue }
            if isOurs(Self.resolver, of: name) || isOurs(Self.hosts, of: name) { names.append(name) }
        }
        return names
    }
}

// MARK: - One file

extension DNSFiles {
    /// A file's first line, which cannot be taken for another namespace's.
    private func mark(of name: NamespaceName) -> String {
        "# Written by netnsd for \(namespaces)/\(name.pathSegment)\n"
    }

    /// What cannot be read, or is no file, is nothing that we can say is ours.
    private func isOurs(_ file: String, of name: NamespaceName) -> Bool {
        (try? ConfigurationFile(path(file, of: name)))?.content.starts(with: mark(of: name).utf8) ?? false
    }

    private func text(_ file: String, of name: NamespaceName) throws(SystemError) -> String? {
        do throws(SystemError) {
            return String(decoding: try ConfigurationFile(path(file, of: name)).content, as: UTF8.self)
        } catch  where [.noSuchFileOrDirectory, .notDirectory].contains(error.errno) {
            return nil
        }
    }

    /// The temporary file is not beside the other: `ip netns exec` would try to mount it too.
    private func replace(_ file: String, of name: NamespaceName, with text: String) throws(SystemError) {
        let temporary = directory.appending(".netnsd-\(String(UInt64.random(in: 0...(.max)), radix: 16))~")
        try FileSystem.replace(
            path(file, of: name), with: Array((mark(of: name) + text).utf8), by: temporary, mode: 0o644,
            isDurable: true)
    }

    private func unlink(_ file: String, of name: NamespaceName) throws(SystemError) -> Bool {
        do throws(SystemError) {
            return try FileSystem.unlink(path(file, of: name))
        } catch  where error.errno == .notDirectory {
            return false
        }
    }

    private static func isTemporary(_ entry: [UInt8]) -> Bool {
        entry.starts(with: ".netnsd-".utf8) && entry.last == UInt8(ascii: "~")
    }

    private func path(_ file: String, of name: NamespaceName) -> FilePath {
        directory.entry(name.bytes).appending(file)
    }
}
