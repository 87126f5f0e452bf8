import HTTPTypes
import LinuxKit
import MicroHTTP
import NamespaceCore
import SystemPackage

extension Route {
    /// `/v1/host`
    static func host(_ manager: NamespaceManager, workers: Int) -> Route {
        Route(
            "/v1/host",
            [
                (
                    .get,
                    .awaiting { (_, _) async throws(Problem) in
                        do throws(NamespaceError) {
                            return .json(HostResource(try await manager.hostFacts(), workers: workers))
                        } catch {
                            throw Problem(error)
                        }
                    }
                )
            ])
    }
}

/// The host as JSON.
private struct HostResource: Encodable {
    let kernelRelease: String
    let directory: Directory
    let capabilities: Capabilities
    let namespaces: Namespaces
    let mounts: Usage
    let workers: Int

    struct Directory: Encodable {
        let path: String
        let propagation: String
        @ExplicitNull var visibleToHost: Bool?
    }

    struct Capabilities: Encodable {
        let present: [String]
        let missing: [String]
    }

    struct Namespaces: Encodable {
        let inDirectory: Int
        let inUse: Int
        @ExplicitNull var limit: Int?
    }

    struct Usage: Encodable {
        let inUse: Int
        @ExplicitNull var limit: Int?
    }

    init(_ facts: HostFacts, workers: Int) {
        kernelRelease = facts.kernelRelease
        directory = Directory(
            path: facts.directory.string, propagation: facts.propagation.kind.rawValue,
            visibleToHost: facts.propagation.isVisibleToHost)
        capabilities = Capabilities(
            present: facts.capabilities.map(\.rawValue).sorted(),
            missing: Set(Capability.allCases).subtracting(facts.capabilities).map(\.rawValue).sorted())
        namespaces = Namespaces(
            inDirectory: facts.entries, inUse: facts.namespacesInUse, limit: facts.namespaceLimit)
        mounts = Usage(inUse: facts.mountsInUse, limit: facts.mountLimit)
        self.workers = workers
    }
}
