// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Glibc
import Logging
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

    /// A lease and its job; `lease` changes when the same segment is granted anew while it is computed.
    struct Work {
        var lease: LeaseName
        let studyID: String
        let job: SegmentJob
    }

    struct LeaseName: Hashable {
        let number: UInt64
        let attempt: UInt32
        let trial: UInt32
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

    let options: WorkerOptions
    let id: String
    let compute: ComputeThread
    let shared: SharedWorkerState
    let socket: SocketID
    let logger: Logger
    var phase = Phase.apart(until: nil)
    var retryDelay: Duration
    var work: Work?
    /// Granted while something else, called off already, is still being computed.
    var next: Work?
    var outstanding: [LeaseName: Outstanding] = [:]
    var requests: UInt64 = 0
    var isDraining = false
    var isKilled = false
    /// The reason why there is no coordinator was told.
    var complained = false

    init(_ options: WorkerOptions, id: String, compute: ComputeThread, shared: SharedWorkerState, _ context: inout LoopContext) throws {
        self.options = options
        self.id = id
        self.compute = compute
        self.shared = shared
        logger = options.logger
        retryDelay = options.retry.lowerBound
        socket = try context.connect(options.coordinator)
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        guard !isKilled else { return }
        switch event {
        case .connected: greet(&context)
        case .disconnected:
            if case .joined = phase { logger.notice("lost the coordinator; going on, and looking for it") }
            phase = .apart(until: nil)
        case .retrying(_, _, let reason):
            if !complained { logger.notice("no coordinator at \(options.coordinator) yet: \(reason)") }
            complained = true
        case .message(_, _, let frames): receive(frames, &context)
        case .malformed(_, _, let reason): logger.warning("dropped a message of the coordinator: \(reason)")
        case .refused, .handshakesFailed, .crowded: break
        case .tick: tick(&context)
        case .stopping:
            work?.job.cancel()
            next?.job.cancel()
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
        }
    }

    /// A new connection under a new routing id, later each time.
    private mutating func startOver(_ reason: String, _ context: inout LoopContext) {
        logger.notice("looking for the coordinator again: \(reason)")
        retryDelay = min(retryDelay * 2, options.retry.upperBound)
        phase = .apart(until: nil)
        context.reopen(socket)
    }

    /// Says what it holds.
    ///
    /// Sent when due, and whenever that has changed.
    mutating func beat(_ context: inout LoopContext) {
        guard case .joined(var conversation) = phase else { return }
        var heartbeat = WireHeartbeat()
        heartbeat.session = conversation.session
        if let work {
            heartbeat.progress = work.progress(at: context.now)
        } else if let (lease, held) = outstanding.first(where: { $0.value.step != nil }) {
            heartbeat.progress.leaseID = lease.number
            heartbeat.progress.attempt = lease.attempt
            heartbeat.progress.trial = lease.trial
            heartbeat.progress.step = UInt32(clamping: held.step ?? 0)
        }
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
        logger.info("joined the coordinator at \(options.coordinator)", metadata: ["program": "\(welcome.programVersion)"])
        // The results first: a heartbeat that shows no lease gives it back.
        for lease in outstanding.keys { outstanding[lease]?.sent = nil }
        sendOutstanding(&context)
        beat(&context)
    }

    /// Sends what waits for an acknowledgement, again and again until it gets one.
    mutating func sendOutstanding(_ context: inout LoopContext) {
        guard case .joined(let conversation) = phase else { return }
        let pause = max(conversation.heartbeat, .milliseconds(200))
        for (lease, item) in outstanding {
            if let sent = item.sent, context.now - sent < pause { continue }
            outstanding[lease]?.sent = context.now
            send(item.message, &context)
            outstanding[lease]?.requestID = requests
        }
    }

    /// Gives everything back and ends the loop.
    mutating func leave(_ reason: String, _ context: inout LoopContext) {
        work?.job.cancel()
        next?.job.cancel()
        if case .joined = phase {
            var goodbye = WireGoodbye()
            goodbye.reason = WireText.clipped(reason)
            send(.goodbye(goodbye), &context)
        }
        context.stop()
    }

    mutating func send(_ payload: WireEnvelope.OneOf_Payload, _ context: inout LoopContext) {
        requests += 1
        do {
            try context.send(try WireCodec.encode(WireEnvelope(payload, requestID: requests)), on: socket)
        } catch {
            // Whatever matters is sent again; a connection that is gone shows as an event.
            logger.debug("could not send", metadata: ["reason": "\(error)"])
        }
    }
}

extension WorkerHandler.Work {
    fileprivate func progress(at now: ContinuousClock.Instant) -> WireProgress {
        let state = job.progress
        var progress = WireProgress()
        progress.leaseID = lease.number
        progress.attempt = lease.attempt
        progress.trial = lease.trial
        progress.step = UInt32(clamping: state.step)
        if let seconds = job.secondsPerStep, seconds > 0 { progress.stepsPerSecond = 1 / seconds }
        if let loss = state.loss, loss.isFinite { progress.loss = loss }
        if let loss = state.evaluationLoss, loss.isFinite { progress.evaluationLoss = loss }
        progress.stalled = job.isStalled(at: now)
        return progress
    }
}
