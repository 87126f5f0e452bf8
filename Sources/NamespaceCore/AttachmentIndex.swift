import CNI
import LinuxKit
import SystemPackage

/// Which namespaces have attachments, as of when the cache was last read: most have none, and are deleted without
/// reading it again.
struct AttachmentIndex {
    /// For how long after a change another one may leave the directory's time as it is, in milliseconds: a tick of the
    /// slowest kernel is 10.
    private static let resolution: Int64 = 100

    private var paths: Set<String> = []
    private var state: Int64?
    /// Whether any later change would make the state another one.
    private var isSettled = false

    /// Whether the namespace may have attachments.
    ///
    /// - Parameter state: The cache's now.
    func mayHave(_ path: String, _ state: Int64?) -> Bool {
        !isSettled || state != self.state || paths.contains(path)
    }

    /// - Parameters:
    ///   - state: The cache's before it was read.
    ///   - time: The wall clock's then, in milliseconds.
    mutating func learn(_ paths: [String], _ state: Int64?, at time: Int64) {
        self.paths = Set(paths)
        self.state = state
        isSettled = state.map { time - $0 / 1_000_000 > Self.resolution } ?? true
    }
}

/// Finds the files of the mount directory by the paths that other tools call them, such as /var/run/netns/blue.
struct NamespacePlaces {
    /// Resolved, as the mount directory is.
    private let directory: String
    private var resolved: [FilePath: String] = [:]

    init(directory: String) { self.directory = directory }

    /// The path of an attachment's namespace, its directory resolved. Where no namespace is noted, as by libcni before
    /// 1.3, the container's id is the name, as it is for attachments of ours. Blocks.
    mutating func path(of attachment: Attachment) -> String {
        let path = attachment.runtime.namespace
        if path.isEmpty { return "\(directory)/\(attachment.key.containerID)" }
        if path.hasPrefix(directory + "/") { return path }
        let file = FilePath(path)
        guard let name = file.lastComponent else { return path }
        let parent = file.removingLastComponent()
        let place = resolved[parent] ?? (try? FileSystem.resolve(parent))?.string ?? parent.string
        resolved[parent] = place
        return "\(place)/\(name)"
    }
}
