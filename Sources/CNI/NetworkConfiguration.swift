import JSONText

/// A network's configuration list: a chain of plugins with a name (CNI specification 1.1, section 1).
package struct NetworkConfiguration: Sendable {
    /// One plugin of the chain.
    struct Plugin: Sendable {
        /// Its configuration as it was written.
        let members: [String: JSONValue]
        /// The program's name.
        let type: String

        /// The capabilities it has declared.
        var capabilities: Set<String> {
            Set((members["capabilities"]?.object ?? [:]).filter { $0.value == .bool(true) }.keys)
        }

        init(_ value: JSONValue) throws(CNIError) {
            guard case .object(let members) = value, let type = members["type"]?.string,
                Identifiers.isPluginType(type)
            else { throw invalid("a plugin has no type, or one that is no file's name") }
            self.members = members
            self.type = type
        }
    }

    package let name: String
    /// The versions that it is written for and that are known here, the newest first; never empty.
    let versions: [SpecVersion]
    let disablesCheck: Bool
    let disablesGC: Bool
    private(set) var plugins: [Plugin]
    /// Whether plugins are to be looked for in the directory of the network's name, too.
    let loadsMorePlugins: Bool
    /// As it is kept with what was attached by it.
    private(set) var bytes: [UInt8]

    /// Reads a list.
    ///
    /// - Throws: `.invalidConfiguration`.
    package init(parsing bytes: [UInt8]) throws(CNIError) {
        let members = try Self.members(bytes)
        name = try Self.name(in: members)
        versions = try Self.versions(in: members)
        disablesCheck = try Self.flag("disableCheck", in: members)
        disablesGC = try Self.flag("disableGC", in: members)
        let isWhole = try Self.flag("loadOnlyInlinedPlugins", in: members)
        var plugins: [Plugin] = []
        if let value = members["plugins"] {
            guard let list = value.array, !list.isEmpty else { throw invalid("plugins is no array with elements") }
            for element in list { plugins.append(try Plugin(element)) }
        } else if isWhole {
            throw invalid("there are no plugins")
        }
        self.plugins = plugins
        loadsMorePlugins = !isWhole
        self.bytes = bytes
    }

    /// Makes a list of one plugin's configuration, as libcni does of the files of old.
    ///
    /// - Throws: `.invalidConfiguration`.
    package init(wrapping bytes: [UInt8]) throws(CNIError) {
        let members = try Self.members(bytes)
        try self.init(
            parsing: JSONValue.object([
                "name": members["name"] ?? .null, "cniVersion": members["cniVersion"] ?? .string(""),
                "plugins": .array([.object(members)]),
            ]).text)
    }

    /// Adds plugins whose configurations are in files of their own.
    mutating func append(_ more: [JSONValue]) throws(CNIError) {
        guard !more.isEmpty else { return }
        for value in more { plugins.append(try Plugin(value)) }
        // What is kept must be whole, for later there may be other files.
        var members = try Self.members(bytes)
        members["plugins"] = .array(plugins.map { .object($0.members) })
        members["loadOnlyInlinedPlugins"] = .bool(true)
        bytes = JSONValue.object(members).text
    }

    private static func members(_ bytes: [UInt8]) throws(CNIError) -> [String: JSONValue] {
        let value: JSONValue
        do throws(JSONMalformation) {
            value = try JSONValue(parsing: bytes, depthLimit: 64)
        } catch {
            throw invalid("it is no JSON: \(error)")
        }
        guard let members = value.object else { throw invalid("it is \(value.kind), not an object") }
        return members
    }

    private static func name(in members: [String: JSONValue]) throws(CNIError) -> String {
        guard let name = members["name"]?.string, Identifiers.isIdentifier(name) else {
            throw invalid("name is no string that begins with a letter or digit, with only those and _ . - in it")
        }
        return name
    }

    private static func versions(in members: [String: JSONValue]) throws(CNIError) -> [SpecVersion] {
        var texts: [JSONValue] = []
        if let version = members["cniVersion"] { texts.append(version) }
        if let list = members["cniVersions"] {
            guard let list = list.array else { throw invalid("cniVersions is no array") }
            texts += list
        }
        var versions: Set<SpecVersion> = []
        for text in texts {
            guard let version = text.string.flatMap(SpecVersion.init) else {
                throw invalid("a version is not three numbers with points between them")
            }
            versions.insert(version)
        }
        if versions.isEmpty, let oldest = SpecVersion("") { versions = [oldest] }
        // With a choice, what is newer than this specification is none; without, the plugins say what they think of it.
        let known = versions.count > 1 ? versions.filter { $0 <= .v1_1_0 } : versions
        guard !known.isEmpty else { throw invalid("every version is newer than \(SpecVersion.v1_1_0)") }
        return known.sorted(by: >)
    }

    private static func flag(_ key: String, in members: [String: JSONValue]) throws(CNIError) -> Bool {
        switch members[key] {
        case nil: return false
        case .bool(let value)?: return value
        // libcni takes them as strings as well.
        case .string(let text)? where ["true", "false"].contains(text.lowercased()): return text.lowercased() == "true"
        default: throw invalid("\(key) is neither true nor false")
        }
    }
}

/// The error of a configuration that is none.
private func invalid(_ why: String) -> CNIError {
    CNIError(.invalidConfiguration, "The network's configuration is not valid: \(why).")
}
