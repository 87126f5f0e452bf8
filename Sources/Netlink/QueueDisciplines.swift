import CNetlink
package import LinuxKit
import SystemPackage

extension NetlinkSocket {
    /// The queueing disciplines of the namespace's links, or of one, with those that nobody asked for.
    ///
    /// - Throws: `.listQueueDisciplines`.
    package func queueDisciplines(of link: LinkIndex? = nil) throws(SystemError) -> [QueueDiscipline] {
        let request = try Request(.listQueueDisciplines, type: RTM_GETQDISC, flags: NLM_F_DUMP)
        request.append(tcmsg())
        // The kernel has no filter for them.
        return try dump(request) { message in
            QueueDisciplineReader.discipline(in: message).flatMap { link == nil || $0.link == link ? $0 : nil }
        }
    }

    /// Does to the packets that leave a link what `impairment` says and nothing else, replacing at once what was done.
    /// Without a rate and an emulation the link gets back the discipline that it would have anyway.
    ///
    /// - Throws: `.addQueueDiscipline`, after which the link is as it was or, where an emulation was possible and the
    ///   rate within it was not, without either; with ``SystemError/lacksKind`` where the kernel has no netem or tbf.
    package func impair(_ link: LinkIndex, _ impairment: Impairment) throws(SystemError) {
        switch (impairment.emulation, impairment.rate) {
        case (nil, nil): try removeQueueDiscipline(link)
        case (nil, let rate?):
            try perform(.replaceTokenBucket(link, rate, handle: Handles.rate, parent: Handles.root))
        case (let emulation?, nil):
            try perform(.replaceEmulation(link, emulation, handle: Handles.emulation))
        case (let emulation?, let rate?):
            // The one that kernels lack is first, and the link is as it was when it is refused.
            try perform(.replaceEmulation(link, emulation, handle: Handles.both))
            do throws(SystemError) {
                try perform(.replaceTokenBucket(link, rate, handle: Handles.inner, parent: Handles.both | 1))
            } catch {
                try removeQueueDiscipline(link)
                throw error
            }
        }
    }

    /// Removes a link's root discipline, if somebody gave it one.
    ///
    /// - Throws: `.deleteQueueDiscipline`.
    package func removeQueueDiscipline(_ link: LinkIndex) throws(SystemError) {
        do throws(SystemError) {
            try perform(.deleteRootQueueDiscipline(link))
        } catch {
            // Nobody did.
            if error.errno != .noSuchFileOrDirectory { throw error }
        }
    }
}

/// The numbers of the disciplines that are made here. To each goes one structure: by the number of the root that is
/// there the kernel changes it, and by another one it replaces it with all that is in it, at once.
private enum Handles {
    static let root = UInt32.max
    static let both: UInt32 = 0x6e01_0000
    static let emulation: UInt32 = 0x6e02_0000
    static let rate: UInt32 = 0x6e03_0000
    static let inner: UInt32 = 0x6e04_0000
}

extension Request {
    static func deleteRootQueueDiscipline(_ link: LinkIndex) throws(SystemError) -> Request {
        let request = try Request(.deleteQueueDiscipline, type: RTM_DELQDISC)
        request.append(tcmsg(link, handle: 0, parent: Handles.root))
        return request
    }

    static func replaceTokenBucket(
        _ link: LinkIndex, _ bucket: TokenBucket, handle: UInt32, parent: UInt32
    ) throws(SystemError) -> Request {
        let request = try Request(.addQueueDiscipline, type: RTM_NEWQDISC, flags: replaces)
        request.append(tcmsg(link, handle: handle, parent: parent))
        request.put(TCA_KIND, text: "tbf")
        request.nest(TCA_OPTIONS) {
            var options = tc_tbf_qopt()
            // With a link layer that is known the kernel counts by itself, without a table of times.
            options.rate.linklayer = UInt8(TC_LINKLAYER_ETHERNET.rawValue)
            options.rate.rate = UInt32(clamping: bucket.bytesPerSecond)
            options.limit = bucket.limitBytes
            options.buffer = Ticks.of(bytes: bucket.burstBytes, bytesPerSecond: bucket.bytesPerSecond)
            request.put(TCA_TBF_PARMS, options)
            request.put(TCA_TBF_BURST, bucket.burstBytes)
            if bucket.bytesPerSecond > UInt64(UInt32.max) { request.put(TCA_TBF_RATE64, bucket.bytesPerSecond) }
        }
        return request
    }

    static func replaceEmulation(
        _ link: LinkIndex, _ emulation: NetworkEmulation, handle: UInt32
    ) throws(SystemError) -> Request {
        let request = try Request(.addQueueDiscipline, type: RTM_NEWQDISC, flags: replaces)
        request.append(tcmsg(link, handle: handle, parent: Handles.root))
        request.put(TCA_KIND, text: "netem")
        request.nest(TCA_OPTIONS) {
            var options = tc_netem_qopt()
            options.latency = Ticks.of(microseconds: emulation.delayMicroseconds)
            options.jitter = Ticks.of(microseconds: emulation.jitterMicroseconds)
            options.limit = emulation.limitPackets
            options.loss = Share.number(emulation.loss)
            options.duplicate = Share.number(emulation.duplicate)
            // Without a gap nothing is reordered.
            options.gap = emulation.reorder > 0 ? 1 : 0
            request.append(options)
            // All of them each time: what is left out of a change stays as it was.
            request.put(TCA_NETEM_CORR, tc_netem_corr())
            request.put(
                TCA_NETEM_REORDER, tc_netem_reorder(probability: Share.number(emulation.reorder), correlation: 0))
            request.put(
                TCA_NETEM_CORRUPT, tc_netem_corrupt(probability: Share.number(emulation.corrupt), correlation: 0))
            // Ticks hold no more than 274 seconds.
            request.put(TCA_NETEM_LATENCY64, Int64(clamping: emulation.delayMicroseconds) * 1000)
            request.put(TCA_NETEM_JITTER64, Int64(clamping: emulation.jitterMicroseconds) * 1000)
        }
        return request
    }

    private static var replaces: CInt { NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE }
}

extension tcmsg {
    fileprivate init(_ link: LinkIndex, handle: UInt32, parent: UInt32) {
        self.init()
        tcm_ifindex = link
        tcm_handle = handle
        tcm_parent = parent
    }
}

/// The kernel's unit of time for queueing disciplines: 64 nanoseconds (`PSCHED_SHIFT`, and /proc/net/psched).
private enum Ticks {
    static let nanoseconds: UInt64 = 64

    static func of(microseconds: UInt64) -> UInt32 {
        let (product, overflows) = microseconds.multipliedReportingOverflow(by: 1000)
        return overflows ? .max : UInt32(clamping: product / nanoseconds)
    }

    /// How long so many bytes take.
    static func of(bytes: UInt32, bytesPerSecond: UInt64) -> UInt32 {
        guard bytesPerSecond > 0 else { return .max }
        return UInt32(clamping: UInt64(bytes) * (1_000_000_000 / nanoseconds) / bytesPerSecond)
    }

    static func bytes(_ ticks: UInt32, bytesPerSecond: UInt64) -> UInt32 {
        let (high, low) = bytesPerSecond.multipliedFullWidth(by: UInt64(ticks))
        let unit = 1_000_000_000 / nanoseconds
        guard high < unit else { return .max }
        return UInt32(clamping: unit.dividingFullWidth((high, low)).quotient)
    }
}

/// A share of 0 to 1 as the kernel has it: of all 32-bit numbers.
private enum Share {
    static func number(_ share: Double) -> UInt32 { UInt32((min(max(share, 0), 1) * Double(UInt32.max)).rounded()) }

    static func share(_ number: UInt32) -> Double { Double(number) / Double(UInt32.max) }
}

/// Makes a ``QueueDiscipline`` of what RTM_GETQDISC answers.
enum QueueDisciplineReader {
    /// Nil for another message.
    static func discipline(in message: Message) -> QueueDiscipline? {
        guard message.type == RTM_NEWQDISC, let header = message.load(tcmsg.self) else { return nil }
        var discipline = QueueDiscipline(
            link: header.tcm_ifindex, kind: "", handle: header.tcm_handle, parent: header.tcm_parent)
        for attribute in message.attributes(after: tcmsg.self) {
            switch attribute.type {
            case TCA_KIND: discipline.kind = attribute.text
            // The kernel puts them after the kind.
            case TCA_OPTIONS where discipline.kind == "tbf": discipline.tokenBucket = tokenBucket(attribute)
            case TCA_OPTIONS where discipline.kind == "netem": discipline.emulation = emulation(attribute)
            default: break
            }
        }
        return discipline
    }

    private static func tokenBucket(_ attribute: Attribute) -> TokenBucket? {
        var options: tc_tbf_qopt?
        var rate: UInt64?
        for item in attribute.nested() {
            switch item.type {
            case TCA_TBF_PARMS: options = item.load()
            case TCA_TBF_RATE64: rate = item.load()
            default: break
            }
        }
        guard let options else { return nil }
        let bytesPerSecond = rate ?? UInt64(options.rate.rate)
        return TokenBucket(
            bytesPerSecond: bytesPerSecond, burstBytes: Ticks.bytes(options.buffer, bytesPerSecond: bytesPerSecond),
            limitBytes: options.limit)
    }

    private static func emulation(_ attribute: Attribute) -> NetworkEmulation? {
        guard let options = attribute.load(tc_netem_qopt.self) else { return nil }
        var emulation = NetworkEmulation(
            delayMicroseconds: UInt64(options.latency) * Ticks.nanoseconds / 1000,
            jitterMicroseconds: UInt64(options.jitter) * Ticks.nanoseconds / 1000, loss: Share.share(options.loss),
            duplicate: Share.share(options.duplicate), limitPackets: options.limit)
        for item in attribute.nested(after: MemoryLayout<tc_netem_qopt>.size) {
            switch item.type {
            case TCA_NETEM_LATENCY64: emulation.delayMicroseconds = microseconds(item) ?? emulation.delayMicroseconds
            case TCA_NETEM_JITTER64: emulation.jitterMicroseconds = microseconds(item) ?? emulation.jitterMicroseconds
            case TCA_NETEM_REORDER:
                emulation.reorder = item.load(tc_netem_reorder.self).map { Share.share($0.probability) } ?? 0
            case TCA_NETEM_CORRUPT:
                emulation.corrupt = item.load(tc_netem_corrupt.self).map { Share.share($0.probability) } ?? 0
            default: break
            }
        }
        return emulation
    }

    private static func microseconds(_ attribute: Attribute) -> UInt64? {
        attribute.load(Int64.self).map { UInt64(max(0, $0)) / 1000 }
    }
}
