import Foundation

/// What a daemon and its directories show after a restart.
package struct CrashObservation: Sendable {
    /// What was made before and is not ours: a file, and a namespace.
    package static let (staleName, externalName) = ("other-file", "other-namespace")

    /// Our namespaces by the id in their labels.
    package private(set) var namespaces: [String: CrashFacts] = [:]
    package private(set) var failures: [String] = []

    /// Looks at everything. Blocks.
    package init(_ home: DaemonHome, _ connection: RawConnection) throws {
        let response = try connection.exchange("GET", "/v1/namespaces?limit=1000")
        guard response.status == 200, let items = try response.json["namespaces"]?.array else {
            throw TestFailure("the list: \(response.status) \(response.text)")
        }
        var names: [String] = []
        for item in items {
            let name = item["name"]?.string ?? ""
            switch name {
            case Self.staleName:
                expect(item["state"] == "stale" && item["origin"] == "external", "\(item)")
            case Self.externalName:
                expect(item["state"] == "ready" && item["origin"] == "external", "\(item)")
            default:
                names.append(name)
                take(item)
            }
        }
        try compareDirectories(home, names.sorted())
    }

    private mutating func expect(_ condition: Bool, _ text: @autoclosure () -> String) {
        if !condition { failures.append(text()) }
    }

    private mutating func take(_ item: JSONValue) {
        do {
            let facts = try CrashFacts(item)
            let id = facts.labels[CrashFacts.idLabel] ?? ""
            if let other = namespaces.updateValue(facts, forKey: id) { failures.append("twice: \(facts) and \(other)") }
        } catch {
            failures.append("\(error)")
        }
    }

    private mutating func compareDirectories(_ home: DaemonHome, _ names: [String]) throws {
        let files = home.names.filter { ![Self.staleName, Self.externalName].contains($0) }
        expect(files == names, "files \(files), listed \(names)")
        expect(home.names.contains(Self.staleName), "the other's file is gone")
        let prefix = home.netnsDirectory.count + 1
        let mounts = try Resources.mountPoints(below: home.netnsDirectory).map { String($0.dropFirst(prefix)) }
        let mounted = (names + [Self.externalName]).sorted()
        expect(mounts.sorted() == mounted, "mounted \(mounts.sorted()), listed \(mounted)")
        expect(home.records == names, "records \(home.records), listed \(names)")
        let batches = (try? FileManager.default.contentsOfDirectory(atPath: home.stateDirectory + "/batches")) ?? []
        expect(batches.isEmpty, "batches \(batches)")
    }
}
