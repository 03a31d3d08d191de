// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Glibc
import Logging
import Synchronization
import WireMessages
import ZeroMQ

/// Everything that lives on a worker's talking thread.
///
/// It never waits for the computation.
struct WorkerHandler: LoopHandler {
    /// Where the conversation with the coordinator stands.
    enum Phase {
        /// Not connected, or told to wait.
        case apart(until: ContinuousClock.Instant?)
        case greeting(since: ContinuousClock.Instant)
        case joined(Conversation)
    }

    struct Conversation {
        let session: String
        let heartbeat: Duration
        let leaseTimeout: Duration
        var heard: ContinuousClock.Instant
        var nextHeartbeat: ContinuousClock.Instant
    }

    /// A lease and its job; `lease` changes when the same work is granted anew while it is computed.
    struct Held {
        var lease: WireLease
        let briefDigest: Data
        let task: Job.Task
        /// Nil until the brief is here.
        var job: Job?
    }

    /// Something that the coordinator has to acknowledge.
    struct Outstanding {
        let message: WireEnvelope.OneOf_Payload
        /// The last step of a result; nil for a failure.
        let step: Int?
        var sent: ContinuousClock.Instant?
        /// The number under which it was sent last.
        var requestID: UInt64 = 0
    }

    /// A question about a brief, and the number under which it was asked.
    struct Question {
        let sent: ContinuousClock.Instant
        let requestID: UInt64
    }

    let options: WorkerOptions
    let id: String
    let compute: ComputeThread
    let files: WorkerFiles
    let outbox: Outbox
    let shared: SharedWorkerState
    let socket: SocketID
    let logger: Logger
    var phase = Phase.apart(until: nil)
    var retryDelay: Duration
    /// In the order in which they are computed.
    var held: [Held] = []
    var briefs: [Data: Brief] = [:]
    var asked: [Data: Question] = [:]
    var outstanding: [WireLease: Outstanding] = [:]
    var requests: UInt64 = 0
    var isDraining = false
    var isKilled = false
    /// The reason why there is no coordinator was told.
    var complained = false

    init(
        _ options: WorkerOptions, id: String, compute: ComputeThread, files: WorkerFiles, shared: SharedWorkerState,
        _ context: inout LoopContext
    ) throws {
        self.options = options
        self.id = id
        self.compute = compute
        self.files = files
        self.shared = shared
        outbox = Outbox(folder: options.outbox)
        logger = options.logger
        retryDelay = options.retry.lowerBound
        var socketOptions = SocketOptions()
        socketOptions.security = options.security
        socket = try context.connect(options.endpoints, options: socketOptions)
        for result in outbox.leftovers() {
            guard let lease = result.resultLease else { continue }
            logger.notice("a result of an earlier worker is still here; it is sent again")
            outstanding[lease] = Outstanding(message: result, step: result.resultStep, sent: nil)
        }
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        guard !isKilled else { return }
        switch event {
        case .connected: greet(&context)
        case .disconnected:
            if case .joined = phase { logger.notice("lost the coordinator; going on, and looking for it") }
            phase = .apart(until: nil)
        case .retrying(_, let cause, let reason): retrying(cause, reason, &context)
        case .message(_, _, let frames): receive(frames, &context)
        case .malformed(_, _, let reason): logger.warning("dropped a message of the coordinator: \(reason)")
        case .tick: tick(&context)
        case .stopping: for work in held { work.job?.cancel() }
        case .refused, .handshakesFailed, .crowded: break
        }
    }

    // MARK: - Conversation

    private mutating func greet(_ context: inout LoopContext) {
        var hello = WireHello()
        hello.protocolMajor = WireVersion.current.major
        hello.protocolMinor = WireVersion.current.minor
        hello.role = .worker
        hello.workerID = id
        hello.name = WireText.clipped(options.name, limit: WireLimits.nameBytes)
        hello.host = WireText.clipped(options.host.isEmpty ? "unknown" : options.host, limit: WireLimits.nameBytes)
        hello.pid = UInt32(clamping: getpid())
        hello.programVersion = WireText.clipped(options.program, limit: WireLimits.identifierBytes)
        hello.cpu = WireText.clipped(options.cpu.isEmpty ? "unknown" : options.cpu, limit: WireLimits.nameBytes)
        hello.threads = UInt32(min(max(1, options.threads), WireLimits.threads))
        hello.memoryBytes = options.memoryBytes
        hello.numericsClass = WireText.clipped(options.numericsClass, limit: WireLimits.identifierBytes)
        phase = .greeting(since: context.now)
        send(.hello(hello), &context)
    }

    private mutating func tick(_ context: inout LoopContext) {
        switch phase {
        case .apart(let until):
            if let until, until <= context.now {
                phase = .apart(until: nil)
                context.reopen(socket)
            }
        case .greeting(let since):
            if context.now - since > retryDelay { startOver("nobody answers the hello", &context) }
        case .joined(let conversation):
            if context.now - conversation.heard > max(conversation.leaseTimeout / 2, conversation.heartbeat * 3) {
                return startOver("the coordinator has been silent for \((context.now - conversation.heard).inSeconds) s", &context)
            }
            if context.now >= conversation.nextHeartbeat { beat(&context) }
            sendOutstanding(&context)
            askForBriefs(&context)
        }
    }

    /// A new connection under a new routing id, later each time.
    private mutating func startOver(_ reason: String, _ context: inout LoopContext) {
        logger.notice("looking for the coordinator again: \(reason)")
        retryDelay = min(retryDelay * 2, options.retry.upperBound)
        phase = .apart(until: nil)
        context.reopen(socket)
    }

    /// Says all that it holds.
    ///
    /// Sent when due, and whenever that has changed in a way that the coordinator cannot know.
    mutating func beat(_ context: inout LoopContext) {
        guard case .joined(var conversation) = phase else { return }
        var heartbeat = WireHeartbeat()
        heartbeat.session = conversation.session
        heartbeat.draining = isDraining
        heartbeat.progress = shown(at: context.now)
        conversation.nextHeartbeat = context.now + conversation.heartbeat
        phase = .joined(conversation)
        send(.heartbeat(heartbeat), &context)
    }

    mutating func joined(_ welcome: WireWelcome, _ context: inout LoopContext) {
        guard case .greeting = phase else { return }
        phase = .joined(
            Conversation(
                session: welcome.session, heartbeat: .milliseconds(Int64(welcome.heartbeatIntervalMs)),
                leaseTimeout: .milliseconds(Int64(welcome.leaseTimeoutMs)), heard: context.now, nextHeartbeat: context.now))
        retryDelay = options.retry.lowerBound
        complained = false
        shared.wasWelcome.store(true, ordering: .relaxed)
        let coordinator = context.endpoint(of: socket) ?? options.coordinator
        if welcome.blobPort > 0, let place = try? Endpoint(host: coordinator.host, port: UInt16(clamping: welcome.blobPort)) {
            files.serve(from: place, security: options.security)
        }
        logger.info("joined the coordinator at \(coordinator)", metadata: ["program": "\(welcome.programVersion)"])
        // The results first: a heartbeat that shows no lease gives it back.
        for lease in outstanding.keys { outstanding[lease]?.sent = nil }
        asked = [:]
        sendOutstanding(&context)
        beat(&context)
        askForBriefs(&context)
    }

    /// Asks what grants are about, for those that came without anybody having said so.
    mutating func askForBriefs(_ context: inout LoopContext) {
        guard case .joined = phase else { return }
        for digest in Set(held.filter { $0.job == nil }.map(\.briefDigest)) {
            if let last = asked[digest], context.now - last.sent < .seconds(5) { continue }
            var request = WireBriefRequest()
            request.brief = digest
            send(.briefRequest(request), &context)
            asked[digest] = Question(sent: context.now, requestID: requests)
        }
    }

    /// Gives everything back and ends the loop.
    mutating func leave(_ reason: String, _ context: inout LoopContext) {
        for work in held { work.job?.cancel() }
        // Also while it waits for its welcome: the coordinator knows of it by then.
        switch phase {
        case .apart: break
        case .greeting, .joined:
            var goodbye = WireGoodbye()
            goodbye.reason = WireText.clipped(reason)
            send(.goodbye(goodbye), &context)
        }
        context.stop()
    }
}

extension WireEnvelope.OneOf_Payload {
    /// The lease of a result that has to be acknowledged.
    var resultLease: WireLease? {
        switch self {
        case .segmentResult(let result): result.lease
        case .pieceResult(let result): result.lease
        default: nil
        }
    }

    var resultStep: Int {
        if case .segmentResult(let result) = self { Int(result.toStep) } else { 0 }
    }
}
