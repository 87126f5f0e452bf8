import HTTPTypes
import JSONText
import LinuxKit
import MicroHTTP
import NamespaceCore
import SystemPackage

extension Route {
    /// `/v1/host`
    static func host(_ manager: NamespaceManager, workers: Int, warm: WarmPool?) -> Route {
        Route(
            "/v1/host",
            [
                (
                    .get, .read,
                    .awaiting { (_, _) async throws(Problem) in
                        do throws(NamespaceError) {
                            return answer(
                                try await manager.hostFacts(), workers: workers,
                                warm: warm?.facts ?? WarmPool.Facts())
                        } catch {
                            throw Problem(error)
                        }
                    }
                )
            ])
    }
}

private func answer(_ facts: HostFacts, workers: Int, warm: WarmPool.Facts) -> Response {
    .json { writer in
        writer.member("kernelRelease", facts.kernelRelease)
        writer.member("directory") { writer in
            writer.member("path", facts.directory.string)
            writer.member("propagation", facts.propagation.kind.rawValue)
            writer.member("visibleToHost", facts.propagation.isVisibleToHost)
        }
        writer.member("capabilities") { writer in
            writer.member("present", facts.capabilities.map(\.rawValue).sorted())
            writer.member("missing", Set(Capability.allCases).subtracting(facts.capabilities).map(\.rawValue).sorted())
        }
        writer.member("namespaces") { writer in
            writer.member("inDirectory", facts.entries)
            writer.member("inUse", facts.namespacesInUse)
            writer.member("limit", facts.namespaceLimit)
        }
        writer.member("mounts") { writer in
            writer.member("inUse", facts.mountsInUse)
            writer.member("limit", facts.mountLimit)
        }
        writer.member("workers", workers)
        writer.member("warm") { writer in
            writer.member("size", warm.size)
            writer.member("capacity", warm.capacity)
        }
    }
}
