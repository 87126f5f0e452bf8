import HTTPTypes
import LinuxKit
import MicroHTTP
import NamespaceCore
import Netlink
import SystemPackage
import Wiring

extension Route {
    static let metricsPattern = "/metrics"

    /// `/metrics`: everything that is counted, for Prometheus. It needs no worker, so that it answers when they are
    /// stuck.
    static func metrics(_ metrics: Metrics) -> Route {
        Route(
            metricsPattern,
            [
                (
                    .get, .read,
                    .awaiting { (call, _) async throws(Problem) in
                        _ = try Query(call.target, allowing: [])
                        return Response(
                            status: .ok, headerFields: [.contentType: Exposition.contentType],
                            body: await metrics.exposition())
                    }
                )
            ])
    }
}

/// What `/metrics` tells of.
struct Metrics: Sendable {
    let telemetry: Telemetry
    let manager: NamespaceManager
    let workers: KernelWorkers
    let warm: WarmPool?
    let wires: WireManager
    let watch: LinkWatch
    /// Of how many links there are counters.
    let linkLimit: Int

    func exposition() async -> [UInt8] {
        let census = await manager.census()
        var exposition = Exposition()
        exposition.metric("netnsd_build_info", .gauge, "The build that runs; always 1.")
        exposition.sample("netnsd_build_info", 1, ["version": Version.current, "api_version": Version.api])
        writeRequests(to: &exposition)
        writeNamespaces(census, to: &exposition)
        exposition.single("netnsd_wires", .gauge, "Wires between namespaces.", await wires.count)
        exposition.single(
            "netnsd_watched_namespaces", .gauge, "Namespaces whose inside is told of as events.", watch.count)
        // This alone needs workers, and is left out by who wants the rest whatever they are stuck in.
        if linkLimit > 0 { Self.writeLinks(await manager.linkCounters(limit: linkLimit), to: &exposition) }
        writeWorkers(to: &exposition)
        writeWarmNamespaces(to: &exposition)
        writeEvents(to: &exposition)
        writeAudit(to: &exposition)
        writeProcess(to: &exposition)
        return exposition.text
    }

    private func writeRequests(to exposition: inout Exposition) {
        let series = telemetry.requests.series
        let (requests, durations) = ("netnsd_http_requests_total", "netnsd_http_request_duration_seconds")
        exposition.metric(requests, .counter, "Requests answered.")
        for one in series {
            exposition.sample(
                requests, one.reading.total, ["route": one.route, "method": one.method, "status": one.status])
        }
        exposition.metric(
            durations, .histogram,
            "From the headers of a request to its answer, or to the begin of a stream; polls with their waiting.")
        for one in series {
            exposition.histogram(
                durations, one.reading, ["route": one.route, "method": one.method, "status": one.status])
        }
        exposition.single(
            "netnsd_http_requests_in_flight", .gauge, "Requests that are being answered, this one included.",
            telemetry.requests.answering)
    }

    private func writeNamespaces(_ census: Census, to exposition: inout Exposition) {
        let name = "netnsd_namespaces"
        exposition.metric(name, .gauge, "Entries of the mount directory; what is stale is no namespace.")
        exposition.sample(name, census.created, ["origin": "created", "state": "ready"])
        exposition.sample(name, census.adopted, ["origin": "adopted", "state": "ready"])
        exposition.sample(name, census.external, ["origin": "external", "state": "ready"])
        exposition.sample(name, census.stale, ["origin": "external", "state": "stale"])
        exposition.single("netnsd_leases", .gauge, "Namespaces with a lease.", census.leases)
        let events = manager.events
        exposition.single(
            "netnsd_namespaces_created_total", .counter, "Namespaces made.", events.count(of: .created))
        exposition.single(
            "netnsd_namespaces_adopted_total", .counter, "Namespaces of others that were named or taken over.",
            events.count(of: .adopted))
        exposition.single(
            "netnsd_namespaces_deleted_total", .counter, "Entries deleted by request.", events.count(of: .deleted))
        exposition.single(
            "netnsd_lease_expiries_total", .counter, "Namespaces deleted because their lease had ended.",
            events.count(of: .expired))
        let failures = "netnsd_namespace_failures_total"
        exposition.metric(
            failures, .counter,
            "What could not be done to a namespace, by the errno of the system call that failed; none is none.")
        for failure in manager.tally.failures {
            let errno = failure.errno.map { $0.name ?? "\($0.rawValue)" } ?? "none"
            exposition.sample(failures, failure.count, ["operation": failure.operation.rawValue, "errno": errno])
        }
    }

    private static func writeLinks(_ links: [LinkCounters], to exposition: inout Exposition) {
        let counters: [(name: String, help: String, value: (LinkStatistics) -> UInt64)] = [
            ("receive_bytes", "Bytes that the link received.", \.receivedBytes),
            ("receive_packets", "Packets that the link received.", \.receivedPackets),
            ("receive_errors", "Packets that the link received wrong.", \.receiveErrors),
            ("receive_drops", "Packets that the link received and dropped.", \.receiveDrops),
            ("transmit_bytes", "Bytes that the link sent.", \.sentBytes),
            ("transmit_packets", "Packets that the link sent.", \.sentPackets),
            ("transmit_errors", "Packets that the link could not send.", \.sendErrors),
            ("transmit_drops", "Packets that the link was to send and dropped.", \.sendDrops),
            ("multicast", "Multicast packets that the link received.", \.multicast),
            ("collisions", "Collisions that the link saw.", \.collisions),
        ]
        for counter in counters {
            let name = "netnsd_link_\(counter.name)_total"
            exposition.metric(name, .counter, counter.help)
            for link in links {
                exposition.sample(
                    name, counter.value(link.statistics),
                    ["namespace": link.namespace.description, "link": link.link])
            }
        }
    }

    private func writeWorkers(to exposition: inout Exposition) {
        exposition.single(
            "netnsd_kernel_workers", .gauge, "Threads for the kernel's jobs.", workers.threadCount)
        exposition.single(
            "netnsd_kernel_jobs_queued", .gauge, "Jobs that wait for a thread.", workers.queuedJobs)
        exposition.single(
            "netnsd_kernel_jobs_running", .gauge, "Jobs that have a thread.", workers.runningJobs)
        let (wait, run) = ("netnsd_kernel_job_wait_seconds", "netnsd_kernel_job_run_seconds")
        exposition.metric(wait, .histogram, "What jobs waited for a thread.")
        exposition.histogram(wait, workers.tally.waiting.reading)
        exposition.metric(run, .histogram, "What jobs took once they had a thread.")
        exposition.histogram(run, workers.tally.working.reading)
    }

    private func writeWarmNamespaces(to exposition: inout Exposition) {
        let facts = warm?.facts ?? WarmPool.Facts()
        exposition.single(
            "netnsd_warm_namespaces", .gauge, "Namespaces that are made in advance and wait for a name.", facts.size)
        exposition.single(
            "netnsd_warm_capacity", .gauge, "How many are to wait: fewer than --warm when memory is short.",
            facts.capacity)
        exposition.single("netnsd_warm_hits_total", .counter, "Creates that took one of these.", facts.hits)
        exposition.single("netnsd_warm_misses_total", .counter, "Creates that found none.", facts.misses)
        let refill = "netnsd_warm_refill_seconds"
        exposition.metric(refill, .histogram, "What making one in advance took.")
        exposition.histogram(refill, (warm?.refills ?? DurationTally()).reading)
        exposition.single(
            "netnsd_warm_refill_failures_total", .counter, "Times that the kernel refused to make one in advance.",
            facts.failures)
        let dropped = "netnsd_warm_dropped_total"
        exposition.metric(
            dropped, .counter,
            "Those that nobody got: an inherited setting changed, loopback was wanted otherwise, memory was short, or "
                + "the kernel had no room for more.")
        for cause in WarmPool.Cause.allCases {
            exposition.sample(dropped, facts.dropped(cause), ["reason": cause.rawValue])
        }
    }

    private func writeEvents(to exposition: inout Exposition) {
        exposition.single(
            "netnsd_event_readers", .gauge, "Streams and polls that follow the events.", manager.events.followerCount)
        let published = "netnsd_events_published_total"
        exposition.metric(published, .counter, "Events, by what happened.")
        for kind in Event.Kind.allCases {
            exposition.sample(published, manager.events.count(of: kind), ["type": kind.rawValue])
        }
        exposition.single(
            "netnsd_revision", .gauge, "The revision of the latest event.", manager.events.newest.number)
    }

    private func writeAudit(to exposition: inout Exposition) {
        // Zeroes where there is no audit log, so that an alert on them need not tell the cases apart.
        let counts = telemetry.audit?.counts ?? LineLog.Counts()
        exposition.single(
            "netnsd_audit_records_written_total", .counter, "Lines of the audit log.", counts.written)
        let lost = "netnsd_audit_records_lost_total"
        exposition.metric(lost, .counter, "Lines that are missing in the audit log.")
        exposition.sample(lost, counts.unqueued, ["reason": "queue-full"])
        exposition.sample(lost, counts.unwritten, ["reason": "write-failed"])
    }

    /// The names that Prometheus' client libraries have for these; left out where procfs does not tell.
    private func writeProcess(to exposition: inout Exposition) {
        guard let process = try? ProcessStatistics.read() else { return }
        let processorTime = "process_cpu_seconds_total"
        exposition.metric(processorTime, .counter, "User and system CPU time.")
        exposition.sample(processorTime, process.processorSeconds)
        exposition.single(
            "process_resident_memory_bytes", .gauge, "Resident memory.", process.residentBytes)
        exposition.single(
            "process_virtual_memory_bytes", .gauge, "Virtual memory.", process.virtualBytes)
        exposition.single("process_threads", .gauge, "Threads.", process.threads)
        exposition.single("process_open_fds", .gauge, "Open file descriptors.", process.openDescriptors)
        if let limit = process.mostDescriptors {
            exposition.single("process_max_fds", .gauge, "The limit of open file descriptors.", limit)
        }
        let start = "process_start_time_seconds"
        exposition.metric(start, .gauge, "When the process started, since the Unix epoch.")
        exposition.sample(start, process.startSeconds)
    }
}
