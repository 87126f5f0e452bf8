import Foundation
import TestSupport
import Testing

@Suite("Who may do what", .tags(.endToEnd), .timeLimit(.minutes(10)))
struct AccessMatrixTests {
    /// What is known of somebody who asks.
    private enum Standing: Sendable {
        case role(String)
        /// Nobody knows them.
        case unknown
        /// They are known, and have no role.
        case roleless
    }

    @Test("There is a row for every operation that is described, and no other")
    func rows() throws {
        let document = try OpenAPIDocument()
        var operations: Set<String> = []
        for (template, item) in document.root["paths"]?.object ?? [:] {
            for method in ["get", "put", "post", "delete", "patch"] where item[method] != nil {
                operations.insert("\(method.uppercased()) \(template)")
            }
        }
        #expect(Set(AccessRow.all.map(\.operation)) == operations)
        #expect(AccessRow.all.count == operations.count)
    }

    @Test("Every operation is for those alone who have its right, however they say who they are")
    func matrix() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let presenters = try await Self.presenters(file)
            let arguments = [
                "--listen", "127.0.0.1:0", "--token-file", file.path, "--socket-mode", "666",
                "--peer", "uid:65001=viewer", "--peer", "uid:65002=operator", "--peer", "uid:65003=admin",
                "--peer", "gid:65004=operator", "--peer", "gid:65001=admin",
            ]
            try await withDaemon(in: home, arguments: arguments) { daemon in
                // The expired one has to.
                try await Task.sleep(for: .milliseconds(1100))
                for row in AccessRow.all {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for (presenter, standing) in presenters {
                            group.addTask { try await Self.check(row, presenter, standing, daemon) }
                        }
                        try await group.waitForAll()
                    }
                }
                for (presenter, standing) in presenters {
                    try await Self.checkCommon(presenter, standing, daemon)
                }
            }
        }
    }

    private static func presenters(_ file: TokenFileCommand) async throws -> [(Presenter, Standing)] {
        var presenters: [(Presenter, Standing)] = [
            (.user(0), .role("admin")), (.user(65001), .role("viewer")), (.user(65002), .role("operator")),
            (.user(65003), .role("admin")), (.user(65005, group: 65004), .role("operator")), (.user(65006), .roleless),
            (.tcp("nothing"), .unknown),
        ]
        for role in AccessRow.roles {
            presenters.append((try await file.new(role: role, name: role), .role(role)))
        }
        let text = try await file.text(role: "admin", name: "whole")
        let wrong = text.dropLast() + (text.hasSuffix("0") ? "1" : "0")
        let revoked = try await file.new(role: "admin", name: "revoked")
        _ = try await file.run(["revoke", "revoked"])
        presenters += [
            (.tcp("a scheme in other letters", ["Authorization: bEARER \(text)"]), .role("admin")),
            (.tcp("a wrong secret", ["Authorization: Bearer \(wrong)"]), .unknown),
            (.tcp("a token that is none", ["Authorization: Bearer x"]), .unknown),
            (.tcp("no token", ["Authorization: Bearer"]), .unknown),
            (.tcp("another scheme", ["Authorization: Basic \(text)"]), .unknown),
            (.tcp("two tokens", ["Authorization: Bearer \(text)", "Authorization: Bearer \(text)"]), .unknown),
            (try await file.new(role: "admin", name: "expired", ["--expires-in", "1"]), .unknown),
            (revoked, .unknown),
        ]
        return presenters
    }

    private static func check(
        _ row: AccessRow, _ presenter: Presenter, _ standing: Standing, _ daemon: Daemon
    ) async throws {
        let response = try await presenter.send(row.method, row.path, body: row.body, to: daemon)
        let place = Comment(rawValue: "\(row), \(presenter)")
        switch standing {
        case _ where row.role == nil:
            #expect(row.answers.contains(response.status), place)
        case .role(let role) where row.admits(role):
            #expect(row.answers.contains(response.status), place)
            #expect(response.headers["www-authenticate"] == nil, place)
        case .role:
            #expect(response.problem == "forbidden", place)
            #expect(try response.json["right"]?.string == row.right, place)
        case .unknown:
            #expect(response.problem == "unauthenticated", place)
            #expect(response.headers["www-authenticate"]?.hasPrefix("Bearer realm=") == true, place)
        case .roleless:
            #expect(response.problem == "forbidden", place)
        }
    }

    /// Paths and methods that there are not, and those that every path has.
    private static func checkCommon(_ presenter: Presenter, _ standing: Standing, _ daemon: Daemon) async throws {
        let refused: Int? =
            switch standing {
            case .role: nil
            case .unknown: 401
            case .roleless: 403
            }
        let place = Comment(rawValue: "\(presenter)")
        #expect(try await presenter.send("GET", "/nothing", to: daemon).status == refused ?? 404, place)
        #expect(try await presenter.send("TRACK", "/v1/version", to: daemon).status == refused ?? 405, place)
        #expect(try await presenter.send("OPTIONS", "/v1/version", to: daemon).status == refused ?? 204, place)
        #expect(try await presenter.send("HEAD", "/v1/version", to: daemon).status == refused ?? 200, place)
        #expect(try await presenter.send("HEAD", "/healthz", to: daemon).status == 200, place)
    }
}
