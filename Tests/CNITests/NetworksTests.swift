import CNI
import Foundation
import JSONText
import TestSupport
import Testing

@Suite("CNI networks", .serialized, .timeLimit(.minutes(2)))
struct NetworksTests {
    private let key = AttachmentKey(network: "net", containerID: "blue", interface: "eth0")
    private let runtime = RuntimeConfiguration(namespace: "/run/netns/none")

    @Test("ADD goes along the chain with each result, DEL back with the last; the cache has it in between")
    func chain() async throws {
        try await withPlugins { home in
            try home.plugin("one")
            try home.plugin("three")
            try home.network(#"{"type":"one","own":7},{"type":"three"}"#)
            let attachment = try home.networks.add(key, runtime)
            #expect(home.log == ["ADD one", "ADD three"])
            #expect(attachment.version == "1.0.0")
            let first = try home.input("one", "ADD")
            #expect(first == ["type": "one", "own": 7, "name": "net", "cniVersion": "1.0.0"])
            #expect(try home.input("three", "ADD")["prevResult"]?["interfaces"]?[0]?["mac"] == "02:00:00:00:00:31")
            #expect(home.ids == ["net-blue-eth0"])
            let found = try #require(home.networks.cache.attachment("net-blue-eth0"))
            try home.networks.check(found)
            try home.networks.delete(found)
            #expect(home.log.dropFirst(2) == ["CHECK one", "CHECK three", "DEL three", "DEL one"])
            for command in ["DEL", "CHECK"] {
                let last = try home.input("one", command)["prevResult"]?["interfaces"]?[0]?["mac"]
                #expect(last == "02:00:00:00:00:51", "\(command)")
            }
            #expect(home.ids.isEmpty)
            try home.networks.delete(found)
            #expect(home.log.suffix(2) == ["DEL three", "DEL one"])
        }
    }

    @Test("A plugin has the environment of the specification, nothing more, and no descriptor but three")
    func surroundings() async throws {
        try await withPlugins { home in
            try home.plugin(
                "one", "ls /proc/self/fd > \(home.root)/seen/fd; ps -o pgid= -p $$ > \(home.root)/seen/group")
            try home.network(#"{"type":"one"}"#)
            let runtime = RuntimeConfiguration(
                namespace: "/run/netns/none", arguments: [("IgnoreUnknown", "1"), ("IP", "10.1.0.7")])
            _ = try home.networks.add(key, runtime)
            let lines = try String(contentsOfFile: "\(home.root)/seen/one.ADD.env", encoding: .utf8)
            #expect(
                lines.split(separator: "\n").map(String.init).sorted() == [
                    "CNI_ARGS=IgnoreUnknown=1;IP=10.1.0.7", "CNI_COMMAND=ADD", "CNI_CONTAINERID=blue",
                    "CNI_IFNAME=eth0", "CNI_NETNS=/run/netns/none", "CNI_PATH=\(home.root)/bin", "PATH=/usr/bin:/bin",
                ])
            // The shell's own are not for its children; 3 is the directory that ls reads.
            let descriptors = try String(contentsOfFile: "\(home.root)/seen/fd", encoding: .utf8)
                .split(separator: "\n").compactMap { Int($0) }
            #expect(descriptors.sorted() == [0, 1, 2, 3])
            let group = try String(contentsOfFile: "\(home.root)/seen/group", encoding: .utf8)
            #expect(Int(group.trimmingCharacters(in: .whitespacesAndNewlines)) != Int(getpgrp()))
        }
    }

    @Test("What a runtime asks for goes to the plugins that declare the capability, and to no other")
    func capabilities() async throws {
        try await withPlugins { home in
            for name in ["one", "two", "three"] { try home.plugin(name) }
            try home.network(
                """
                {"type":"one","capabilities":{"mac":true,"ips":false}},{"type":"two"},
                {"type":"three","capabilities":{"mac":true,"ips":true}}
                """)
            let runtime = RuntimeConfiguration(
                namespace: "/none", capabilities: ["mac": .string("02:11:22:33:44:55"), "ips": .array([])])
            _ = try home.networks.add(key, runtime)
            #expect(try home.input("one", "ADD")["runtimeConfig"] == ["mac": "02:11:22:33:44:55"])
            #expect(try home.input("two", "ADD")["runtimeConfig"] == nil)
            #expect(try home.input("three", "ADD")["runtimeConfig"] == ["mac": "02:11:22:33:44:55", "ips": []])
        }
    }

    @Test("A failing ADD is followed by DEL of the whole chain, and leaves nothing")
    func undo() async throws {
        try await withPlugins { home in
            for name in ["one", "three"] { try home.plugin(name) }
            try home.plugin(
                "two",
                #"[ $CNI_COMMAND = ADD ] && { echo '{"cniVersion":"1.0.0","code":7,"msg":"no","details":"way"}'; exit 1; }"#
            )
            try home.network(#"{"type":"one"},{"type":"two"},{"type":"three"}"#)
            let error = try #require(failure { () throws(CNIError) in try home.networks.add(key, runtime) })
            #expect(home.log == ["ADD one", "ADD two", "DEL three", "DEL two", "DEL one"])
            guard case .refused(7, "way") = error.reason else {
                Issue.record("\(error)")
                return
            }
            #expect(error.network == "net" && error.plugin == "two" && error.command == .add)
            #expect(error.message == "The plugin two refused with code 7: no; way")
            #expect(home.ids.isEmpty)
        }
    }

    @Test("What DEL cannot undo stays in the cache without a result, until it can")
    func undoFails() async throws {
        try await withPlugins { home in
            try home.plugin("one", "[ -e \(home.root)/broken ] && exit 3")
            try Data().write(to: URL(filePath: "\(home.root)/broken"))
            try home.network(#"{"type":"one"}"#)
            let error = try #require(failure { () throws(CNIError) in try home.networks.add(key, runtime) })
            guard case .silent(3) = error.reason else {
                Issue.record("\(error)")
                return
            }
            #expect(home.ids == ["net-blue-eth0"])
            let left = try #require(try home.networks.cache.all().first)
            #expect(left.result == nil && left.runtime.namespace == "/run/netns/none")
            #expect(failure { () throws(CNIError) in try home.networks.add(key, runtime) }?.reason.name == "attached")
            try FileManager.default.removeItem(atPath: "\(home.root)/broken")
            try home.networks.delete(left)
            #expect(home.ids.isEmpty)
        }
    }

    @Test(
        "Whatever a plugin does wrong has a name of its own",
        arguments: [
            ("sleep 1000", "timedOut"), ("echo rubbish", "rubbish"), ("echo '[1]'", "rubbish"),
            ("echo '{\"a\":1}'; exit 1", "rubbish"), ("kill -SEGV $$", "signaled"), ("exit 0", "rubbish"),
            ("exit 9", "silent"), ("head -c 2097152 /dev/zero", "tooMuchOutput"),
            ("echo '{\"cniVersion\":\"9.0.0\"}'", "rubbish"), ("echo '{\"code\":1,\"msg\":\"a\"}'; exit 1", "refused"),
        ])
    func misbehaviour(_ script: String, _ reason: String) async throws {
        try await withPlugins { home in
            var home = home
            if reason == "timedOut" { home.timeout = .seconds(1) }
            try home.plugin("one", "[ $CNI_COMMAND = ADD ] && { \(script)\n exit; }")
            try home.network(#"{"type":"one"}"#)
            let error = failure { () throws(CNIError) in try home.networks.add(key, runtime) }
            #expect(error?.reason.name == reason, "\(error?.description ?? "no error")")
            #expect(error?.plugin == "one" && error?.command == .add)
            #expect(home.log == ["ADD one", "DEL one"])
            #expect(home.ids.isEmpty)
        }
    }

    @Test("A plugin that hangs is killed with all that it has started")
    func killed() async throws {
        try await withPlugins { home in
            var home = home
            home.timeout = .seconds(1)
            try home.plugin("one", "[ $CNI_COMMAND = ADD ] && { sleep 1000 & echo $! > \(home.root)/child; wait; }")
            try home.network(#"{"type":"one"}"#)
            let error = failure { () throws(CNIError) in try home.networks.add(key, runtime) }
            #expect(error?.reason.name == "timedOut")
            let child = try String(contentsOfFile: "\(home.root)/child", encoding: .utf8)
            let pid = try #require(Int32(child.trimmingCharacters(in: .whitespacesAndNewlines)))
            // It is gone once init, or whoever takes in orphans here, has reaped it.
            let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
            #expect(stat.isEmpty || stat.contains(") Z ") || stat.contains(") X "), "\(stat)")
        }
    }

    @Test("A plugin that leaves a program behind with its output open is not waited for")
    func leftRunning() async throws {
        try await withPlugins { home in
            try home.plugin("one", "[ $CNI_COMMAND = ADD ] && { sleep 1000 & echo $! > \(home.root)/child; }")
            try home.network(#"{"type":"one"}"#)
            let error = failure { () throws(CNIError) in try home.networks.add(key, runtime) }
            let child = try String(contentsOfFile: "\(home.root)/child", encoding: .utf8)
            let pid = try #require(Int32(child.trimmingCharacters(in: .whitespacesAndNewlines)))
            #expect(kill(pid, SIGKILL) == 0)
            #expect(error == nil, "\(error?.description ?? "")")
        }
    }

    @Test("A chain whose plugin or configuration is gone can still be taken away")
    func gone() async throws {
        try await withPlugins { home in
            for name in ["one", "two"] { try home.plugin(name) }
            try home.network(#"{"type":"one"},{"type":"two"}"#)
            let attachment = try home.networks.add(key, runtime)
            try FileManager.default.removeItem(atPath: "\(home.root)/net.d/net.conflist")
            try FileManager.default.removeItem(atPath: "\(home.root)/bin/two")
            #expect(
                failure { () throws(CNIError) in try home.networks.check(attachment) }?.reason.name == "pluginNotFound")
            try home.networks.delete(attachment)
            #expect(home.log.last == "DEL one")
            #expect(home.ids.isEmpty)
            let error = failure { () throws(CNIError) in try home.networks.add(key, runtime) }
            #expect(error?.reason.name == "networkNotFound")
        }
    }

    @Test("CHECK is not for versions before 0.4.0, and does nothing where it is disabled")
    func check() async throws {
        try await withPlugins { home in
            try home.plugin("one")
            try home.network(#"{"type":"one"}"#, version: #""cniVersion":"0.3.1""#)
            // The script answers in another version than it was asked in, so that this one counts.
            var old = try home.networks.add(key, runtime)
            old.result = .object(["cniVersion": .string("0.3.1")])
            #expect(failure { () throws(CNIError) in try home.networks.check(old) }?.reason.name == "unsupported")
            try home.networks.delete(old)
            #expect(try home.input("one", "DEL")["prevResult"] == nil)
            try home.network(#"{"type":"one"}"#, more: #""disableCheck":true,"#)
            try home.networks.check(try home.networks.add(key, runtime))
            #expect(!home.log.contains("CHECK one"))
        }
    }

    @Test("Of several versions the newest that all plugins support is taken, of one that one")
    func versions() async throws {
        try await withPlugins { home in
            try home.plugin("one")
            try home.network(#"{"type":"one"}"#, version: #""cniVersions":["0.4.0","1.1.0","1.0.0","7.0.0"]"#)
            _ = try home.networks.add(key, runtime)
            #expect(try home.input("one", "ADD")["cniVersion"] == "1.0.0")
            #expect(home.log == ["VERSION one", "ADD one"])
            try home.network(#"{"type":"one"}"#, name: "two", version: #""cniVersion":"1.1.0""#)
            _ = try home.networks.add(
                AttachmentKey(network: "two", containerID: "blue", interface: "eth1"), runtime)
            #expect(try home.input("one", "ADD")["cniVersion"] == "1.1.0")
            try home.network(#"{"type":"one"}"#, name: "none", version: #""cniVersions":["1.1.0","0.3.0"]"#)
            let error = failure { () throws(CNIError) in
                try home.networks.add(AttachmentKey(network: "none", containerID: "c", interface: "eth2"), runtime)
            }
            #expect(error?.reason.name == "unsupported")
        }
    }

    @Test("GC takes away what is not valid, and tells plugins of 1.1.0 what is; STATUS asks them alone")
    func garbage() async throws {
        try await withPlugins { home in
            try home.plugin(
                "one",
                "[ $CNI_COMMAND = STATUS -a -e \(home.root)/busy ] && { echo '{\"code\":50,\"msg\":\"busy\"}'; exit 1; }"
            )
            try home.network(#"{"type":"one"}"#, version: #""cniVersion":"1.1.0""#)
            try home.network(#"{"type":"one"}"#, name: "old")
            let other = AttachmentKey(network: "net", containerID: "green", interface: "eth0")
            let old = AttachmentKey(network: "old", containerID: "blue", interface: "eth0")
            for key in [key, other, old] { _ = try home.networks.add(key, runtime) }
            #expect(try home.networks.collectGarbage("net", valid: [key]).isEmpty)
            #expect(home.ids == ["net-blue-eth0", "old-blue-eth0"])
            #expect(home.log.suffix(2) == ["DEL one", "GC one"])
            let valid = try home.input("one", "GC")["cni.dev/valid-attachments"]
            #expect(valid == [["containerID": "blue", "ifname": "eth0"]])
            #expect(try home.networks.collectGarbage("old", valid: []).isEmpty)
            #expect(home.ids == ["net-blue-eth0"] && home.log.last == "DEL one")
            try home.networks.checkStatus("old")
            #expect(home.log.last == "DEL one")
            try home.networks.checkStatus("net")
            #expect(home.log.last == "STATUS one")
            try Data().write(to: URL(filePath: "\(home.root)/busy"))
            #expect(failure { () throws(CNIError) in try home.networks.checkStatus("net") }?.code == 50)
        }
    }
}
