import HTTPTypes
import MicroHTTP

extension Route {
    /// `/v1/version`
    static let version: Route = {
        let version = Response.json([
            "name": "netnsd", "version": Version.current, "apiVersion": Version.api,
        ])
        return Route("/v1/version", [(.get, .immediate { (_) throws(Problem) in version })])
    }()

    /// `/openapi.yaml`: the description of exactly this API, built in from `openapi/openapi.yaml`.
    static let specification: Route = {
        let document = Response(
            status: .ok, headerFields: [.contentType: "application/yaml"], body: PackageResources.openapi_yaml)
        return Route("/openapi.yaml", [(.get, .immediate { (_) throws(Problem) in document })])
    }()
}
