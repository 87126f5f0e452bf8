import CMicroHTTPD
import Glibc
import HTTPTypes
import Synchronization

/// One request and its answer, from the request line to the last byte sent.
///
/// libmicrohttpd calls the access handler once when the headers are there, once for every piece of the body, and once
/// more when it wants the answer; ``step(_:method:version:_:)`` is all of these. When the answer takes time the
/// connection is suspended, and ``complete(with:)`` resumes it.
final class Exchange: Sendable {
    private typealias Answer = @Sendable ([UInt8], NearAnswer) async -> Response

    private enum Phase {
        /// The headers have not arrived.
        case new
        case reading(limit: Int, then: Answer)
        case discarding(limit: Int, then: Answer)
        /// A task works on the answer; the connection is suspended while the task waits.
        case running
        /// What there is to answer, and whether the connection's next request may well get the same.
        case answered(Response, mayRecur: Bool)
        /// The answer is the latest that the connection has kept.
        case repeating(requestID: String)
        case queued
    }

    private struct State {
        var phase = Phase.new
        var request: Request?
        var body: [UInt8] = []
        /// Which request gets the answer again, where one does.
        var recurrence: Recurrence?
        /// How much of a body beyond the limit was thrown away.
        var discarded = 0
        /// The jobs of the answering task that wait for the connection's thread.
        var jobs: [UnownedJob] = []
        /// Until when the connection's thread is to look out for the answer instead of going back to sleep.
        var watchEnd: ContinuousClock.Instant?
        /// When the answer will be near; until then the connection's thread is to rest.
        var near: ContinuousClock.Instant?
        /// Whether the connection is suspended, and nobody has begun to resume it.
        var isSuspended = false
        var hasConnection = true
        var isHead = false
        /// The stream that the answer's body is read from, once it is queued.
        var stream: StreamedAnswer?

        /// What the phase asks for, without the response, which takes long to copy.
        var step: Step {
            switch phase {
            case .new: .begin
            case .reading(let limit, let answer): .read(limit: limit, then: answer)
            case .discarding(let limit, let answer): .discard(limit: limit, then: answer)
            case .running, .answered: .proceed
            case .repeating(let requestID): .repeat(requestID: requestID)
            case .queued: .nothing
            }
        }
    }

    private enum Step {
        case begin
        case read(limit: Int, then: Answer)
        case discard(limit: Int, then: Answer)
        case proceed
        case `repeat`(requestID: String)
        case nothing
    }

    /// How much of an over-long body is read and thrown away for the sake of a proper answer, in bytes.
    private static let patience = 1024 * 1024

    private let state = Mutex(State())
    /// Whether a job or the answer has come since the connection's thread began to look out for it.
    private let watch = AnswerWatch()
    private let server: ServerCore
    /// The connection's; nil where there was no memory for one, and the connection is cut.
    private let live: LiveConnection?
    private var account: ConnectionAccount? { live?.account }
    private let target: Result<RequestTarget, RequestTarget.Malformation>
    /// Whether the connection's request before this one had the same target.
    private let isRepeated: Bool
    private let targetPlace: HeaderLayout.Part
    /// Whether the connection was being closed before the request came.
    private let isTooLate: Bool
    /// Whether the connection was cut before the request came.
    private let isCut: Bool

    init(
        server: ServerCore, on live: LiveConnection?, target: Result<RequestTarget, RequestTarget.Malformation>,
        isRepeated: Bool, at place: HeaderLayout.Part
    ) {
        self.server = server
        self.live = live
        self.target = target
        self.isRepeated = isRepeated
        targetPlace = place
        isTooLate = live?.requestBegan() == false
        isCut = live?.account.requestArrives() != true
    }

    /// A piece of the body, or none.
    typealias Piece = UnsafeRawBufferPointer

    /// Does what the exchange's phase asks for. The whole piece is consumed.
    ///
    /// Never called for one exchange on two threads at once, nor while it is suspended.
    func step(_ connection: Connection, method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, _ piece: Piece)
        -> MHD_Result
    {
        switch state.withLock({ $0.step }) {
        case .begin:
            guard let live, !isCut else { return .NO }
            func section() -> HeaderSection? {
                unsafe connection.section(method: method, target: targetPlace, version: version)
            }
            if let result = answerAgain(section, on: live) { return result }
            let verdict = connection.verdict(of: server, on: live)
            let (request, refusal) = unsafe connection.request(
                method: method, version: version, target: target, at: targetPlace, limit: server.headerBytes,
                client: Self.client(verdict, on: live))
            server.exchangeBegan()
            if case .refused(let reason) = verdict {
                return refuse(.certificateRefused(reason), request, on: connection)
            }
            return begin(request, refusal, section, on: connection)
        case .read(let limit, let answer):
            guard unsafe piece.isEmpty else { return unsafe read(piece, limit: limit) }
            return bodyEnded(limit: limit, answer, on: connection)
        case .discard(let limit, let answer):
            guard unsafe piece.isEmpty else { return unsafe read(piece, limit: 0, patience: limit) }
            return run(answer, on: connection)
        case .proceed:
            return proceed(on: connection)
        case .repeat(let requestID):
            state.withLock { $0.phase = .queued }
            guard let live, unsafe piece.isEmpty, live.account.answerLeaves(isStream: false) else { return .NO }
            return connection.queueAgain(requestID: requestID, on: live)
        case .nothing:
            return .YES
        }
    }

    private static func client(_ verdict: TLSVerdict?, on live: LiveConnection) -> Client {
        if case .trusted(let certificate) = verdict { live.client.presenting(certificate) } else { live.client }
    }

    /// Answers a request like the connection's latest one as that was, without making a request of it; nil says that it
    /// is to be taken as any other.
    private func answerAgain(_ section: () -> HeaderSection?, on live: LiveConnection) -> MHD_Result? {
        guard isRepeated, !isTooLate, !server.isDraining, !live.account.isUsedUp,
            let answer = live.latest.withLock({ $0.answer(to: section) }), let requestID = answer.recur()
        else { return nil }
        server.exchangeBegan()
        // libmicrohttpd closes a connection that is answered at its first call; the next one follows at once.
        let isOpen = live.account.requestIsComplete()
        state.withLock { $0.phase = isOpen ? .repeating(requestID: requestID) : .queued }
        return isOpen ? .YES : .NO
    }

    private func begin(
        _ request: Request, _ refusal: Refusal?, _ section: () -> HeaderSection?, on connection: Connection
    ) -> MHD_Result {
        if let refusal { return refuse(refusal, request, on: connection) }
        if isTooLate { return refuse(.shuttingDown, request, on: connection) }
        let disposition = server.handler.accept(request)
        switch consume disposition {
        case .respond(let response, let again) where request.contentLength == 0:
            // The next call follows at once, see above.
            guard account?.requestIsComplete() != false else {
                response.discard()
                state.withLock { $0.phase = .queued }
                return .NO
            }
            let mayRecur = Message.isWorthKeeping(response)
            state.withLock {
                $0.isHead = request.method == .head
                $0.phase = .answered(response, mayRecur: mayRecur)
                if mayRecur, let again { $0.recurrence = Recurrence(of: section(), with: again) }
            }
            return .YES
        case .respond(let response, _):
            state.withLock {
                $0.isHead = request.method == .head
                $0.phase = .queued
            }
            return queue(response, on: connection, close: true)
        case .read(let limit, let answer):
            return awaitBody(of: request, limit: limit, in: .reading(limit: limit, then: answer), on: connection)
        case .discard(let limit, let answer):
            let phase = Phase.discarding(limit: limit) { (_, _) in await answer() }
            return awaitBody(of: request, limit: limit, in: phase, on: connection)
        }
    }

    /// Has the body come, unless it is announced to be too long.
    private func awaitBody(
        of request: Request, limit: Int, in phase: Phase, on connection: Connection
    ) -> MHD_Result {
        if let length = request.contentLength, length > UInt64(limit) {
            return refuse(.contentTooLarge(limit: limit), request, on: connection)
        }
        state.withLock {
            $0.request = request
            $0.isHead = request.method == .head
            $0.phase = phase
        }
        return .YES
    }

    /// Answers for the handler, and closes the connection: whatever the client sends next cannot be trusted, or is a
    /// body that nobody wants.
    private func refuse(_ refusal: Refusal, _ request: Request, on connection: Connection) -> MHD_Result {
        state.withLock {
            $0.isHead = request.method == .head
            $0.phase = .queued
        }
        return queue(server.handler.response(to: refusal, of: request), on: connection, close: true)
    }

    private func queue(
        _ response: Response, mayRecur: Bool = false, on connection: Connection, close: Bool
    ) -> MHD_Result {
        switch response.body {
        case .bytes(let bytes):
            guard account?.answerLeaves(isStream: false) != false else { return .NO }
            if let live, mayRecur, !close {
                let recurrence = state.withLock { $0.recurrence }
                return connection.queue(response, bytes, product: server.product, keeping: recurrence, on: live)
            }
            return connection.queue(response, bytes, product: server.product, close: close)
        case .stream(let body):
            _ = account?.answerLeaves(isStream: true)
            let stream = StreamedAnswer(body, on: connection, of: server)
            let isHead = state.withLock { state in
                state.stream = stream
                return state.isHead
            }
            return connection.queue(
                response, stream, omitsBody: isHead || response.status == .notModified, product: server.product,
                close: close)
        }
    }

    private func read(_ piece: Piece, limit: Int, patience: Int = patience) -> MHD_Result {
        // SAFETY: libmicrohttpd lends the piece for the length of the call.
        let isPatient = state.withLock { state in
            if state.discarded == 0 && state.body.count + piece.count <= limit {
                unsafe state.body.append(contentsOf: piece)
            } else {
                state.discarded += piece.count
            }
            return state.discarded <= patience
        }
        return isPatient ? .YES : .NO  // NO cuts the connection
    }

    private func bodyEnded(limit: Int, _ answer: @escaping Answer, on connection: Connection) -> MHD_Result {
        let (request, body, isTooLarge) = state.withLock { state in
            defer { state.body = [] }
            return (state.request, state.body, state.discarded > 0)
        }
        if isTooLarge, let request { return refuse(.contentTooLarge(limit: limit), request, on: connection) }
        return run(answer, with: body, on: connection)
    }

    private func run(_ answer: @escaping Answer, with body: [UInt8] = [], on connection: Connection) -> MHD_Result {
        // Cut a moment ago: in the middle of a request libmicrohttpd takes no answer.
        guard account?.requestIsComplete() != false else { return .NO }
        state.withLock { $0.phase = .running }
        // Its first job is in `jobs` at the return, and `proceed` runs it.
        Task(executorPreference: self) {
            self.complete(with: await answer(body, NearAnswer(exchange: self)))
        }
        return proceed(on: connection)
    }

    /// Runs what is there to run of the answering task, then queues its answer or suspends the connection until there
    /// is more.
    private func proceed(on connection: Connection) -> MHD_Result {
        while true {
            let next = state.withLock { state -> Next in
                if !state.jobs.isEmpty { return .run(state.jobs.removeFirst()) }
                if case .answered(let response, let mayRecur) = state.phase {
                    state.phase = .queued
                    return .queue(response, mayRecur: mayRecur)
                }
                if let near = state.near.take() { return .rest(until: near) }
                if let end = state.watchEnd {
                    // Whoever brings news waits for the lock, and is seen by the watch.
                    watch.reset()
                    return .watch(until: end)
                }
                // Under the lock: whoever brings a job or the answer either is seen above or sees the suspension.
                state.isSuspended = server.suspend(self, connection)
                return state.isSuspended ? .wait : .refuse(state.request)
            }
            switch consume next {
            // SAFETY: enqueue took the job from the runtime, and it is run here once.
            case .run(let job): unsafe job.runSynchronously(on: asUnownedTaskExecutor())
            case .queue(let response, let mayRecur):
                let isLast = server.isDraining || account?.isUsedUp ?? false
                return queue(response, mayRecur: mayRecur, on: connection, close: isLast)
            case .rest(let near):
                // Others' events may have been taken from the kernel already, and would wait for the end of the rest.
                if let loop = live?.loop, server.exchangesInProgress == 1, AnswerWatch.rest(until: near, in: loop) {
                    state.withLock { $0.watchEnd = .now + AnswerWatch.time }
                }
            case .watch(let end):
                // Who helps may be who is to bring the news.
                let canWatch = live?.loop?.isServedByThread ?? true
                if !canWatch || !watch.seesNews(until: end, of: server) { state.withLock { $0.watchEnd = nil } }
            case .wait: return .YES
            case .refuse(let request?): return refuse(.shuttingDown, request, on: connection)
            case .refuse(nil): return .NO
            }
        }
    }

    private enum Next {
        case run(UnownedJob)
        case queue(Response, mayRecur: Bool)
        /// The answer is not near yet, and will be soon.
        case rest(until: ContinuousClock.Instant)
        /// The answer is a matter of microseconds.
        case watch(until: ContinuousClock.Instant)
        case wait
        case refuse(Request?)
    }

    /// Has the connection's thread rest until the answer is near, instead of having it woken, once it has nothing to do.
    func answerWillBeNear(in time: Duration) {
        let near = ContinuousClock.now + time
        state.withLock { state in
            if case .running = state.phase { state.near = near }
        }
    }

    /// Has the connection's thread look out for an answer that is not there yet, and wakes it if it sleeps: that takes
    /// longer than the rest of the answer does.
    func answerIsNear() {
        let isWaiting = state.withLock { state in
            guard case .running = state.phase else { return false }
            state.watchEnd = .now + AnswerWatch.time
            defer { state.isSuspended = false }
            return state.isSuspended
        }
        if isWaiting { server.suspendedConnection(of: self)?.resume() }
    }

    /// Stores the answer and resumes the connection; a second answer is ignored, and one that comes too late.
    func complete(with response: Response) {
        let (isTaken, isWaiting) = state.withLock { state -> (Bool, Bool) in
            guard state.hasConnection, case .running = state.phase else { return (false, false) }
            state.phase = .answered(response, mayRecur: false)
            watch.note()
            defer { state.isSuspended = false }
            return (true, state.isSuspended)
        }
        if !isTaken { response.discard() }
        // The connection is suspended, and so alive, until here, and one caller alone gets here.
        if isWaiting { server.suspendedConnection(of: self)?.resume() }
    }

    /// Answers a request that took too long to wait for at shutdown.
    func abandon() {
        if let request = state.withLock({ $0.request }) {
            complete(with: server.handler.response(to: .shuttingDown, of: request))
        }
    }

    /// Called when libmicrohttpd lets go of the exchange. The task goes on without a connection if it is not at its
    /// end.
    func ended() {
        defer {
            live?.requestEnded()
            account?.answerIsSent()
        }
        let (phase, jobs, stream) = state.withLock { state in
            defer {
                state.jobs = []
                state.hasConnection = false
            }
            return (state.phase, state.jobs, state.stream)
        }
        for job in jobs { globalConcurrentExecutor.enqueue(job) }
        stream?.finish()
        switch phase {
        case .new: return
        case .answered(let response, _): response.discard()
        case .reading, .discarding, .running, .repeating, .queued: break
        }
        server.exchangeEnded()
    }
}

/// The answering task runs on whichever thread serves its connection, which would otherwise have to be woken for the
/// answer by a thread of the cooperative pool, itself woken for the purpose. Handlers do not block, so other connections
/// do not wait.
extension Exchange: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let (isTaken, isWaiting) = state.withLock { state -> (Bool, Bool) in
            // Once answered, at a deadline say, nobody comes back for jobs.
            guard state.hasConnection, case .running = state.phase else { return (false, false) }
            state.jobs.append(job)
            watch.note()
            defer { state.isSuspended = false }
            return (true, state.isSuspended)
        }
        if !isTaken { globalConcurrentExecutor.enqueue(job) }
        if isWaiting { server.suspendedConnection(of: self)?.resume() }
    }
}
