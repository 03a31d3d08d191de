// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import Synchronization
import WireMessages
import ZeroMQ

/// Everything that lives on the coordinator's thread.
struct CoordinatorHandler: LoopHandler {
    let options: CoordinatorOptions
    let home: Home
    let ledger: Ledger
    let shared: SharedStatus
    let socket: SocketID
    let endpoint: Endpoint
    let started: ContinuousClock.Instant
    var logger: Logger
    var coordinator: Coordinator
    var keeper: CheckpointKeeper
    var studies: [StudyID: StudyRow] = [:]
    var sessions = SessionTable()
    /// The result that is being handled: its bytes are needed if the coordinator wants it on disk.
    var arriving: ArrivingResult?
    /// Rows that the disk refused; written with the next tick.
    var unwritten: [TrialID: TrialRecord] = [:]
    var unwrittenStudies: [StudyID: StudyState] = [:]
    /// What the disk said last; nil once it works again.
    var storageProblem: String?
    var published: ContinuousClock.Instant?
    var isChanged = true
    var isKilled = false

    struct ArrivingResult {
        let report: SegmentReport
        let result: WireSegmentResult
        let requestID: UInt64
    }

    init(_ options: CoordinatorOptions, home: Home, ledger: Ledger, shared: SharedStatus, _ context: inout LoopContext) throws {
        self.options = options
        self.home = home
        self.ledger = ledger
        self.shared = shared
        logger = options.logger
        started = context.now
        let facts = try ledger.facts()
        for row in try ledger.studies() { studies[row.plan.id] = row }
        (socket, endpoint) = try context.bind(options.endpoint)
        shared.endpoint.withLock { [endpoint] in $0 = endpoint }
        coordinator = Coordinator(settings: options.settings, restoring: facts, at: Instant(context.now))
        keeper = CheckpointKeeper(home: home, ledger: ledger, program: options.program)
        resumeCheckpoints(of: facts, at: Instant(context.now))
        run(.tick, &context)
        publish(&context)
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        guard !isKilled else { return }
        switch event {
        case .message(_, let peer?, let frames): receive(frames, from: peer, &context)
        case .malformed(_, let peer, let reason):
            logger.debug("dropped a message", metadata: ["peer": "\(peer.map(\.description) ?? "?")", "reason": "\(reason)"])
        case .tick: tick(&context)
        case .stopping: sayGoodbye(&context)
        case .refused(_, let key, let address):
            logger.notice("turned away an unknown key", metadata: ["key": "\(key.short)", "address": "\(address)"])
        case .handshakesFailed(_, let count):
            logger.debug("connections without a handshake", metadata: ["count": "\(count)"])
        case .crowded(_, let isCrowded):
            logger.warning(isCrowded ? "too many connections; new ones have to wait" : "new connections are taken again")
        case .message, .connected, .disconnected, .retrying: break
        }
        if isChanged { publish(&context) }
    }

    // MARK: - Time

    private mutating func tick(_ context: inout LoopContext) {
        let now = Instant(context.now)
        writeLateRows()
        run(.tick, &context)
        keeper.retry(studies, at: now)
        ping(&context)
        sessions.forgetSilentClients(at: now)
        isChanged = true
    }

    /// A word to workers that have been silent for a while: sending is how a broken connection shows.
    private mutating func ping(_ context: inout LoopContext) {
        let now = Instant(context.now)
        for (peer, session) in sessions.workers
        where now - session.heard > options.settings.heartbeat * 3 / 2 && now - session.pinged > options.settings.heartbeat {
            sessions.note(pingTo: peer, at: now)
            send(.heartbeatReply(WireHeartbeatReply()), to: peer, &context)
        }
    }

    private mutating func sayGoodbye(_ context: inout LoopContext) {
        var goodbye = WireGoodbye()
        goodbye.reason = "the coordinator stops"
        for (peer, _) in sessions.workers { send(.goodbye(goodbye), to: peer, &context) }
        writeLateRows()
        ledger.close()
        home.release()
    }

    private mutating func resumeCheckpoints(of facts: [StudyFacts], at now: Instant) {
        for study in facts {
            guard let row = studies[study.plan.id] else { continue }
            for trial in study.trials {
                let path = home.checkpoint(study: row.plan.name, trial: trial.record.trial.index).path
                // A study that ended was checked by the coordinator that ended it.
                if study.state != .running, FileManager.default.fileExists(atPath: path) {
                    keeper.noteExisting(trial.record.trial, path: path)
                } else {
                    keeper.verify(trial.record.trial, step: trial.segments.last?.toStep ?? 0, in: row, at: now)
                }
            }
        }
    }

    // MARK: - Status

    /// Gives observers a fresh picture, ten times a second at most unless something ended.
    mutating func publish(_ context: inout LoopContext, force: Bool = false) {
        if !force, let published, context.now - published < .milliseconds(100) { return }
        published = context.now
        isChanged = false
        let status = status(&context)
        shared.status.withLock { $0 = status }
        options.observer?(status)
    }

    func status(of study: StudyID? = nil, _ context: inout LoopContext) -> FleetStatus {
        let snapshot = coordinator.snapshot(now: Instant(context.now))
        let names = Dictionary(uniqueKeysWithValues: snapshot.workers.map { ($0.id, $0.about.name) })
        return FleetStatus(
            program: options.program, endpoint: endpoint.description, uptimeSeconds: (context.now - started).inSeconds,
            problems: (storageProblem.map { [$0] } ?? []) + keeper.problems.sorted { $0.key < $1.key }.map(\.value),
            studies: snapshot.studies.filter { study == nil || $0.id == study }.map { entry in
                FleetStatus.Study(entry, created: studies[entry.id]?.created ?? 0, names: names) { trial in
                    FleetStatus.Trial.Details(
                        evaluationLoss: keeper.evaluationLoss(of: trial), checkpointPath: keeper.paths[trial] ?? "",
                        problem: keeper.problems[trial] ?? "")
                }
            },
            workers: snapshot.workers.map { worker in
                FleetStatus.Worker(worker, study: worker.lease.flatMap { studies[$0.trial.study]?.plan.name } ?? "")
            })
    }

    func findStudy(_ key: String) -> StudyRow? {
        studies.values.first { $0.plan.name == key } ?? studies.values.first { $0.plan.id.description == key }
    }
}

extension Instant {
    /// Milliseconds of the loop's clock since this process first asked for them.
    init(_ now: ContinuousClock.Instant) {
        self.init(milliseconds: (now - Self.origin).wholeMilliseconds)
    }

    private static let origin = ContinuousClock.now
}
