import Foundation
import SystemPackage
import Testing

@testable import Systemd

@Suite("What a service manager passes on") struct SystemdTests {
    @Test("nothing is handed over without its variables, and nothing that is for another process")
    func nothing() throws {
        for environment in [[:], ["LISTEN_FDS": "1"], ["LISTEN_PID": "1", "LISTEN_FDS": "1"]] {
            #expect(try ActivatedSocket.received(environment: environment).isEmpty)
        }
    }

    @Test(
        "variables that make no sense are an error",
        arguments: [["LISTEN_PID": "me", "LISTEN_FDS": "1"], ["LISTEN_FDS": "-1"], ["LISTEN_FDS": "257"]])
    func nonsense(_ variables: [String: String]) {
        let environment = ["LISTEN_PID": "\(getpid())"].merging(variables) { $1 }
        #expect(throws: ActivatedSocket.Failure.self) { try ActivatedSocket.received(environment: environment) }
    }

    @Test("a watchdog is for the process it names, or for whoever asks")
    func watchdog() {
        #expect(Watchdog.interval(environment: [:]) == nil)
        #expect(Watchdog.interval(environment: ["WATCHDOG_USEC": "0"]) == nil)
        #expect(Watchdog.interval(environment: ["WATCHDOG_USEC": "soon"]) == nil)
        #expect(Watchdog.interval(environment: ["WATCHDOG_USEC": "2000000"]) == .seconds(2))
        let named = ["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"]
        #expect(Watchdog.interval(environment: named, process: 7) == .seconds(2))
        #expect(Watchdog.interval(environment: named, process: 8) == nil)
    }

    @Test("a socket to notify is a path or an abstract name, and fits")
    func notifier() throws {
        #expect(try ServiceNotifier(environment: [:]) == nil)
        #expect(try ServiceNotifier(environment: ["NOTIFY_SOCKET": ""]) == nil)
        #expect(try ServiceNotifier(environment: ["NOTIFY_SOCKET": "/run/notify"]) != nil)
        #expect(try ServiceNotifier(environment: ["NOTIFY_SOCKET": "@notify"]) != nil)
        for path in ["@", "/", "vsock:2:1234", "notify", "/" + String(repeating: "a", count: 107)] {
            #expect(throws: ServiceNotifier.Failure.self) {
                try ServiceNotifier(environment: ["NOTIFY_SOCKET": path])
            }
        }
        let nobody = try #require(try ServiceNotifier(environment: ["NOTIFY_SOCKET": "/nonexistent/notify"]))
        #expect(throws: ServiceNotifier.Failure.self) { try nobody.send(.alive) }
    }

    @Test("messages are assignments, one a line whatever the status says")
    func messages() {
        #expect(ServiceNotifier.State.ready(status: "a\nMAINPID=1").message == "READY=1\nSTATUS=a MAINPID=1\n")
        #expect(ServiceNotifier.State.stopping(status: "b").message == "STOPPING=1\nSTATUS=b\n")
        #expect(ServiceNotifier.State.alive.message == "WATCHDOG=1\n")
        #expect(ServiceNotifier.State.reloading.message.contains(#/^RELOADING=1\nMONOTONIC_USEC=\d+\n/#))
    }

    @Test("the journal receives the very stream that its variable names")
    func journal() throws {
        var status = stat()
        #expect(fstat(2, &status) == 0)
        let own = "\(status.st_dev):\(status.st_ino)"
        #expect(Journal.receives(.standardError, environment: ["JOURNAL_STREAM": own]))
        for other in ["", own + "1", own + ":1", ":", "8"] {
            #expect(!Journal.receives(.standardError, environment: ["JOURNAL_STREAM": other]))
        }
        #expect(!Journal.receives(.standardError, environment: [:]))
    }
}
