// swift-tools-version: 6.2

import PackageDescription

/// What every Swift target is held to.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// What the targets that call C are held to besides: every unsafe expression says so.
let strictAtTheEdge: [SwiftSetting] = strict + [.strictMemorySafety()]

/// For what runs around unshare(2), which leaves nothing of it in the processor's caches: how much is to be fetched again
/// counts there, not how fast it would run. A release makes 4 % more namespaces a second so.
let compact: [SwiftSetting] = [.unsafeFlags(["-Osize"], .when(configuration: .release))]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// What makes a release smaller in memory, which is mostly the program itself: relocations in a hundredth of the space
/// (`DT_RELR`, of lld and glibc 2.36), and no table of symbols for libraries that it could load, of which there are none.
let lean: [LinkerSetting] = [
    .unsafeFlags(
        ["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs", "-Xlinker", "--no-export-dynamic"],
        .when(configuration: .release))
]

/// libFuzzer's programs, which `deploy/fuzz` builds and runs: their `main` is the fuzzer's, and so is every target's
/// instrumentation, which nobody else wants.
let fuzzers: [Target] =
    Context.environment["NETNSD_FUZZ"] == nil
    ? []
    : [
        ("RequestTarget", ["MicroHTTP"]), ("JSON", ["JSONText"]), ("Record", ["LinuxKit", "NamespaceCore"]),
        ("MountInfo", ["LinuxKit"]), ("Slots", ["LinuxKit", system]),
    ].map { (name: String, dependencies: [Target.Dependency]) in
        .executableTarget(
            name: "\(name)Fuzzer",
            dependencies: dependencies,
            path: "Tests/Fuzz/\(name)",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]
        )
    }

let package = Package(
    name: "netnsd",
    products: [
        .executable(name: "netnsd", targets: ["netnsd"]),
        .library(name: "MicroHTTP", targets: ["MicroHTTP"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .executableTarget(
            name: "netnsd",
            dependencies: [
                "API", "CNI", "LinuxKit", "MicroHTTP", "NamespaceCore", "Systemd", "Wiring", argumentParser, logging,
                system, unixSignals,
            ],
            swiftSettings: strict,
            linkerSettings: lean
        ),
        .target(
            name: "API",
            dependencies: [
                "CNI", "JSONText", "LinuxKit", "MicroHTTP", "NamespaceCore", "Netlink", "Wiring", httpTypes, logging,
                system,
            ],
            resources: [.embedInCode("openapi.yaml")],
            swiftSettings: strict
        ),
        .target(
            name: "MicroHTTP",
            dependencies: ["CGnuTLS", "CMicroHTTPD", "CSocketOptions", httpTypes, logging, system],
            swiftSettings: strictAtTheEdge
        ),
        .target(
            name: "NamespaceCore",
            dependencies: ["CNI", "JSONText", "LinuxKit", "Netlink", deque, heap, logging, system],
            swiftSettings: strict + compact
        ),
        .target(
            name: "Wiring",
            dependencies: ["JSONText", "LinuxKit", "NamespaceCore", "Netlink", logging, system],
            swiftSettings: strict
        ),
        .target(name: "CNI", dependencies: ["JSONText", "LinuxKit", logging, system], swiftSettings: strict),
        .target(name: "JSONText", swiftSettings: strict),
        .target(name: "LinuxKit", dependencies: ["CLinux", deque, system], swiftSettings: strictAtTheEdge + compact),
        .target(
            name: "Netlink", dependencies: ["CNetlink", "LinuxKit", system], swiftSettings: strictAtTheEdge
        ),
        .target(name: "Systemd", dependencies: [system], swiftSettings: strictAtTheEdge),
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
        // For RTLD_DEFAULT, by which it finds GnuTLS; see CGnuTLS.h.
        .target(name: "CGnuTLS", cSettings: [.define("_GNU_SOURCE")]),
        // Not called by us, but by libmicrohttpd; see CSocketOptions.h.
        .target(name: "CSocketOptions", cSettings: [.define("_GNU_SOURCE")]),
        .systemLibrary(
            name: "CMicroHTTPD",
            pkgConfig: "libmicrohttpd",
            providers: [.apt(["libmicrohttpd-dev"])]
        ),
        .systemLibrary(
            name: "CNetlink",
            pkgConfig: "libnl-route-3.0",
            providers: [.apt(["libnl-route-3-dev"])]
        ),
        .target(
            name: "TestSupport",
            dependencies: [subprocess, system, yams],
            path: "Tests/TestSupport",
            swiftSettings: strict
        ),
        .testTarget(
            name: "CNITests",
            dependencies: ["CNI", "JSONText", "LinuxKit", "TestSupport", logging, system],
            swiftSettings: strict
        ),
        .testTarget(name: "JSONTextTests", dependencies: ["JSONText"], swiftSettings: strict),
        .testTarget(
            name: "LinuxKitTests", dependencies: ["LinuxKit", "TestSupport", system], swiftSettings: strict),
        .testTarget(
            name: "NetlinkTests",
            dependencies: ["CNetlink", "LinuxKit", "Netlink", "TestSupport", system],
            swiftSettings: strict
        ),
        .testTarget(
            name: "NamespaceCoreTests",
            dependencies: ["LinuxKit", "NamespaceCore", logging, system],
            swiftSettings: strict
        ),
        .testTarget(
            name: "MicroHTTPTests",
            dependencies: ["MicroHTTP", "TestSupport", httpTypes, logging],
            swiftSettings: strict
        ),
        .testTarget(name: "DeployTests", swiftSettings: strict),
        .testTarget(name: "SystemdTests", dependencies: ["Systemd", system], swiftSettings: strict),
        .testTarget(
            name: "NetnsdTests", dependencies: ["CNI", "MicroHTTP", "netnsd", logging, system], swiftSettings: strict),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "LinuxKit", "MicroHTTP", "NamespaceCore", "TestSupport", "Wiring", httpTypes, logging, system,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "WiringTests", dependencies: ["NamespaceCore", "Netlink", "Wiring", system], swiftSettings: strict
        ),
        .testTarget(name: "SpecificationTests", dependencies: ["TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["LinuxKit", "MicroHTTP", "netnsd", "TestSupport", httpTypes, logging],
            swiftSettings: strict
        ),
        .testTarget(
            name: "CorpusTests",
            dependencies: ["JSONText", "LinuxKit", "MicroHTTP", "NamespaceCore", system],
            swiftSettings: strict
        ),
    ] + fuzzers
)
