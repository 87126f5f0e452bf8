import Testing

/// Holds `netnsd.service` to one rule above all: the daemon stays in the host's mount namespace. Otherwise its mounts in
/// `/run/netns` never reach the host, which sees empty files where it was promised namespaces.
@Suite("The systemd unit")
struct SystemdUnitTests {
    private static let service = UnitFile("deploy/systemd/netnsd.service")
    private static let socket = UnitFile("deploy/systemd/netnsd.socket")

    @Test("The service uses no option that gives it a mount namespace, whatever its value", arguments: forbidden)
    func usesNone(of option: ForbiddenOption) {
        let values = Self.service.values(of: option.name)
        #expect(values.isEmpty, "\(option.name)= may not be in the unit: \(option.reason)")
    }

    @Test("No other option that the manual ties to mounts has come into the unit")
    func knowsEveryOption() {
        // An option that is on neither list has not been thought about.
        let unknown = Self.service.keys(of: "Service").subtracting(harmless)
        #expect(unknown.isEmpty, "does systemd.exec(5) say that one of these implies a mount namespace? \(unknown)")
        #expect(harmless.isDisjoint(with: forbidden.map(\.name)))
    }

    @Test("The rule notices an option that breaks it")
    func noticesBreach() {
        let unit = UnitFile(text: "[Service]\nExecStart=/bin/true\n  # PrivateTmp=no\nProtectSystem = strict\n")
        #expect(unit.values(of: "ProtectSystem") == ["strict"])
        #expect(unit.values(of: "PrivateTmp").isEmpty)
        #expect(unit.keys(of: "Service").subtracting(harmless) == ["ProtectSystem"])
    }

    @Test("The service may make network namespaces and no other ones")
    func restrictsNamespaces() {
        #expect(Self.service.values(of: "RestrictNamespaces") == ["net"])
    }

    @Test("The service has five capabilities and cannot get more")
    func boundsCapabilities() {
        #expect(
            Self.service.values(of: "CapabilityBoundingSet")
                == ["CAP_SYS_ADMIN CAP_NET_ADMIN CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_NET_BROADCAST"])
        #expect(Self.service.values(of: "NoNewPrivileges") == ["yes"])
        #expect(Self.service.values(of: "AmbientCapabilities").isEmpty)
        #expect(Self.service.values(of: "User").isEmpty)
    }

    @Test("A type of service that Debian 12's systemd knows, with a watchdog and time to drain")
    func isSupervised() throws {
        // An unknown Type= is read as simple, with a warning: READY and the watchdog would go unheard.
        #expect(Self.service.values(of: "Type") == ["notify"])
        #expect(Self.service.values(of: "NotifyAccess") == ["main"])
        let watchdog = try #require(Self.service.values(of: "WatchdogSec").first.flatMap { Int($0) })
        let stop = try #require(Self.service.values(of: "TimeoutStopSec").first.flatMap { Int($0) })
        #expect(watchdog >= 10)
        #expect(stop > 10, "longer than the default of --drain-seconds")
    }

    @Test("The socket is the daemon's default one, for root and its group alone")
    func guardsSocket() {
        #expect(Self.socket.values(of: "ListenStream") == ["/run/netnsd/netnsd.sock"])
        #expect(Self.socket.values(of: "SocketMode") == ["0660"])
        #expect(Self.socket.values(of: "SocketGroup") == ["netnsd"])
        #expect(Self.socket.values(of: "Accept").isEmpty)
    }
}

/// An option of systemd.exec(5) that the unit must not use.
struct ForbiddenOption: Sendable, CustomTestStringConvertible {
    let name: String
    let reason: String
    var testDescription: String { name }

    init(_ name: String, _ reason: String) {
        self.name = name
        self.reason = reason
    }
}

/// systemd.exec(5), up to systemd 257, and what `exec_needs_mount_namespace` in systemd's sources goes by.
private let forbidden: [ForbiddenOption] = [
    ForbiddenOption("RootDirectory", "it changes the root, so the daemon's /run/netns is another directory"),
    ForbiddenOption("RootImage", "the image is mounted in a private mount namespace"),
    ForbiddenOption("RootImageOptions", "it goes with RootImage="),
    ForbiddenOption("RootEphemeral", "it goes with RootDirectory= and RootImage="),
    ForbiddenOption("RootHash", "it goes with RootImage="),
    ForbiddenOption("RootVerity", "it goes with RootImage="),
    ForbiddenOption("MountAPIVFS", "its mounts of /proc, /sys and /dev are made in a private mount namespace"),
    ForbiddenOption("BindLogSockets", "it binds the journal's sockets in a private mount namespace"),
    ForbiddenOption("BindPaths", "its binds are made in a private mount namespace"),
    ForbiddenOption("BindReadOnlyPaths", "its binds are made in a private mount namespace"),
    ForbiddenOption("MountImages", "the images are mounted in a private mount namespace"),
    ForbiddenOption("ExtensionImages", "the images are mounted in a private mount namespace"),
    ForbiddenOption("ExtensionDirectories", "the directories are overlaid in a private mount namespace"),
    ForbiddenOption("TemporaryFileSystem", "its file systems are mounted in a private mount namespace"),
    ForbiddenOption("ReadWritePaths", "it sets up a new mount namespace, even without a read-only path"),
    ForbiddenOption("ReadOnlyPaths", "it remounts the paths in a private mount namespace"),
    ForbiddenOption("InaccessiblePaths", "it mounts over the paths in a private mount namespace"),
    ForbiddenOption("ExecPaths", "it remounts the paths in a private mount namespace"),
    ForbiddenOption("NoExecPaths", "it remounts the paths in a private mount namespace"),
    ForbiddenOption("ProtectSystem", "it makes /usr and more read-only in a private mount namespace"),
    ForbiddenOption("ProtectHome", "it hides /home in a private mount namespace"),
    ForbiddenOption("ProtectKernelTunables", "it makes /proc/sys and /sys read-only in a private mount namespace"),
    ForbiddenOption("ProtectKernelModules", "it hides /usr/lib/modules in a private mount namespace"),
    ForbiddenOption("ProtectKernelLogs", "it hides /dev/kmsg in a private mount namespace"),
    ForbiddenOption("ProtectControlGroups", "it makes /sys/fs/cgroup read-only in a private mount namespace"),
    ForbiddenOption("ProtectProc", "it mounts another /proc in a private mount namespace"),
    ForbiddenOption("ProcSubset", "it mounts another /proc in a private mount namespace"),
    ForbiddenOption("ProtectHostname", "newer versions hide the host name's files in a private mount namespace"),
    ForbiddenOption("PrivateTmp", "it mounts another /tmp in a private mount namespace"),
    ForbiddenOption("PrivateDevices", "it mounts another /dev in a private mount namespace"),
    ForbiddenOption("PrivateMounts", "it is a private mount namespace"),
    ForbiddenOption("PrivateIPC", "it mounts another /dev/mqueue in a private mount namespace"),
    ForbiddenOption("IPCNamespacePath", "as PrivateIPC= does, it needs another /dev/mqueue"),
    ForbiddenOption("PrivatePIDs", "it mounts another /proc in a private mount namespace"),
    ForbiddenOption("PrivateBPF", "it mounts another /sys/fs/bpf in a private mount namespace"),
    ForbiddenOption("MountFlags", "slave and private give a mount namespace, and shared does not undo one"),
    ForbiddenOption("LogNamespace", "it mounts another journal socket in a private mount namespace"),
    ForbiddenOption("DynamicUser", "it implies ProtectSystem=, ProtectHome= and PrivateTmp="),
    ForbiddenOption("PrivateNetwork", "the daemon's own network would be another one, with a /sys to match"),
    ForbiddenOption("NetworkNamespacePath", "the daemon's own network would be another one, with a /sys to match"),
    ForbiddenOption("JoinsNamespaceOf", "it shares namespaces that the unit must not have"),
    ForbiddenOption("PrivateUsers", "capabilities in a user namespace are none over the host's mounts"),
    ForbiddenOption("RuntimeDirectory", "it is removed when the daemon stops, with the records in it"),
]

/// What the unit uses. None of these involves a mount namespace: they are limits, filters in seccomp and eBPF, and the
/// service manager's own business.
private let harmless: Set<String> = [
    "Type", "NotifyAccess", "EnvironmentFile", "ExecStart", "ExecReload", "WatchdogSec", "Restart", "RestartSec",
    "TimeoutStopSec", "KillMode", "OOMScoreAdjust", "LimitNICE", "LimitNOFILE", "TasksMax", "UMask",
    // systemd makes the directory before it starts the service; it is bound somewhere only with DynamicUser= or a root.
    "LogsDirectory", "LogsDirectoryMode",
    "CapabilityBoundingSet", "SupplementaryGroups", "NoNewPrivileges", "SystemCallFilter", "SystemCallErrorNumber",
    "SystemCallArchitectures", "RestrictAddressFamilies", "RestrictNamespaces", "DevicePolicy", "DeviceAllow",
    "LockPersonality",
    "MemoryDenyWriteExecute", "RestrictRealtime", "RestrictSUIDSGID",
]
