import HTTPTypes
import JSONText
import MicroHTTP

extension Route {
    /// `/v1/version`
    static let version: Route = {
        let version = Response.json { writer in
            writer.member("name", "netnsd")
            writer.member("version", Version.current)
            writer.member("apiVersion", Version.api)
        }
        return Route("/v1/version", [(.get, .read, .immediate(version))])
    }()

    /// `/openapi.yaml`: the description of exactly this API, built in from `openapi/openapi.yaml`.
    static let specification: Route = {
        let document = Response(
            status: .ok, headerFields: [.contentType: "application/yaml"], body: PackageResources.openapi_yaml)
        return Route("/openapi.yaml", [(.get, .read, .immediate(document))])
    }()
}
