import Foundation
import TestSupport
import Testing

@Suite("Filters", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct FilterTests {
    private static let collection = "/v1/namespaces"

    /// A query, and the names that it finds among those of ``withNamespaces(_:)``.
    static let queries: [(query: String, names: [String])] = [
        ("", ["a1", "a2", "b1", "ext", "stale"]),
        ("label=team=net", ["a1", "a2"]),
        ("label=team%3Dnet", ["a1", "a2"]),
        ("label=team!=net", ["b1", "ext", "stale"]),
        ("label=team", ["a1", "a2", "b1"]),
        ("label=stage", ["a1"]),
        ("label=example.com/job=7", ["b1"]),
        ("label=example.com%2Fjob", ["b1"]),
        ("label=empty=", ["a2"]),
        ("label=team=net&label=stage!=test", ["a2"]),
        ("label=team&label=team!=net", ["b1"]),
        ("label=team=net&label=team=web", []),
        ("state=stale", ["stale"]),
        ("state=ready", ["a1", "a2", "b1", "ext"]),
        ("origin=created", ["a1", "a2", "b1"]),
        ("origin=external", ["ext", "stale"]),
        ("origin=adopted", []),
        ("origin=external&state=ready", ["ext"]),
        ("prefix=a", ["a1", "a2"]),
        ("prefix=a1", ["a1"]),
        ("prefix=nothing", []),
        ("prefix=a&label=stage=test&state=ready&origin=created", ["a1"]),
    ]

    @Test("Filters find what they say, all together, and the total counts the matches")
    func filters() async throws {
        try await withNamespaces { daemon in
            for (query, names) in Self.queries {
                let list = try await daemon.send("GET", "\(Self.collection)?limit=100&\(query)".trimmed).json
                #expect(list["namespaces"]?.array?.compactMap { $0["name"]?.string } == names, "\(query)")
                #expect(list["total"]?.int == names.count, "\(query)")
                #expect(list["next"] == .null, "\(query)")
            }
        }
    }

    @Test("Pages of filtered names leave nothing out and list nothing twice")
    func paging() async throws {
        try await withNamespaces { daemon in
            var names: [String] = []
            var query = "?label=team&limit=1"
            for _ in 0..<4 {
                let page = try await daemon.send("GET", Self.collection + query).json
                #expect(page["total"] == 3)
                let namespaces = try #require(page["namespaces"]?.array)
                #expect(namespaces.count == 1)
                names += namespaces.compactMap { $0["name"]?.string }
                guard let next = page["next"]?.string else { break }
                query = "?label=team&limit=1&after=\(next)"
            }
            #expect(names == ["a1", "a2", "b1"])
        }
    }

    @Test("A filter that cannot be one is refused by name")
    func refused() async throws {
        try await withDaemon { daemon in
            let queries = [
                ("label=", "label"), ("label=-a", "label"), ("label==net", "label"), ("label=a=-", "label"),
                ("label=a=b=c", "label"), ("label=a%20b", "label"), ("label=a!b", "label"), ("state=new", "state"),
                ("state=", "state"), ("origin=mine", "origin"), ("state=ready&state=ready", "state"),
                ("origin=created&origin=created", "origin"), ("prefix=a&prefix=a", "prefix"),
                ("labels=a", "labels"),
            ]
            for (query, field) in queries {
                let response = try await daemon.send("GET", "\(Self.collection)?\(query)")
                #expect(response.problem == "invalid-parameter", "\(query): \(response.text)")
                #expect(try response.json["field"]?.string == field, "\(query)")
            }
        }
    }

    @Test("What others do beside the daemon is in filtered lists within 200 ms")
    func beside() async throws {
        try await withNamespaces { daemon in
            let directory = daemon.home.netnsDirectory
            try await daemon.home.addExternal("more")
            try await expect("origin=external&state=ready", ["ext", "more"], of: daemon)
            try await Command.check("umount", [directory + "/a1"])
            try await expect("state=stale", ["a1", "stale"], of: daemon)
            try await expect("label=stage", [], of: daemon)
            try await Command.check("rm", [directory + "/a1", directory + "/stale"])
            try await expect("state=stale", [], of: daemon)
        }
    }

    private func expect(_ query: String, _ names: [String], of daemon: Daemon) async throws {
        try await Task.sleep(for: .milliseconds(200))
        let list = try await daemon.send("GET", "\(Self.collection)?\(query)").json
        #expect(list["namespaces"]?.array?.compactMap { $0["name"]?.string } == names, "\(query)")
        #expect(list["total"]?.int == names.count, "\(query)")
    }

    /// A daemon beside which another tool has made `ext` and left `stale`.
    private func withNamespaces(_ body: (Daemon) async throws -> Void) async throws {
        try await withDaemon { daemon in
            let namespaces = [
                ("a1", #"{"team":"net","stage":"test"}"#), ("a2", #"{"team":"net","empty":""}"#),
                ("b1", #"{"team":"web","example.com/job":"7"}"#),
            ]
            for (name, labels) in namespaces {
                let created = try await daemon.send(
                    "POST", Self.collection, body: #"{"name":"\#(name)","labels":\#(labels)}"#)
                #expect(created.status == 201)
            }
            try await daemon.home.addExternal("ext")
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            try await Task.sleep(for: .milliseconds(200))
            try await body(daemon)
        }
    }
}

extension String {
    /// Without a `&` at the end, behind which there would be a parameter without a name.
    fileprivate var trimmed: String { hasSuffix("&") ? String(dropLast()) : self }
}
