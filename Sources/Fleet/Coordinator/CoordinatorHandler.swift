// SPDX-License-Identifier: Apache-2.0

import Access
import Blobs
import Coordination
import Foundation
import Logging
import StableDiffusion
import Studies
import Synchronization
import WireMessages
import ZeroMQ

/// Everything that lives on the coordinator's thread.
struct CoordinatorHandler: LoopHandler {
    let options: CoordinatorOptions
    let home: Home
    let ledger: Ledger
    let shared: SharedStatus
    let checkpoints: CheckpointService
    let doors: Doors
    let blobs: CoordinatorBlobs
    let socket: SocketID
    let endpoint: Endpoint
    let started: ContinuousClock.Instant
    /// New each time a coordinator starts.
    let runName: String
    var logger: Logger
    var coordinator: Coordinator
    var studies: [StudyID: StudyRow] = [:]
    var sessions = SessionTable()
    var workerNames: [WorkerID: String] = [:]
    var briefs: BriefBook
    var latest = LatestStates()
    var turn = Turn()
    /// The numbers of `parallel: data` trials that are open.
    var dataTrials: [TrialID: DataTrial] = [:]
    /// The result that is being handled: its bytes are needed if the coordinator wants it on disk.
    var arriving: ArrivingResult?
    var arrivingSlice: WireSliceResult?
    var arrivingPiece: ArrivingPiece?
    /// What the disk said last; nil once it works again.
    var storageProblem: String?
    /// Refused keys and the like, newest last.
    var accessProblems: [(text: String, at: ContinuousClock.Instant)] = []
    /// Keys whose connections are ended, and when.
    var cutting: [CurvePublicKey: ContinuousClock.Instant] = [:]
    var published: ContinuousClock.Instant?
    var isChanged = true
    var isKilled = false

    struct ArrivingResult {
        let report: SegmentReport
        let result: WireSegmentResult
        let requestID: UInt64
    }

    private static let brokenHandshakes =
        "connections without a valid handshake were closed: no key, another coordinator's, or a program of protocol 1, which had none"

    struct ArrivingPiece {
        let report: PieceReport
        let bytes: UInt64
        let requestID: UInt64
    }

    init(
        _ options: CoordinatorOptions, home: Home, ledger: Ledger, shared: SharedStatus, checkpoints: CheckpointService, doors: Doors,
        blobs: CoordinatorBlobs, _ context: inout LoopContext
    ) throws {
        self.options = options
        self.home = home
        self.ledger = ledger
        self.shared = shared
        self.checkpoints = checkpoints
        self.doors = doors
        self.blobs = blobs
        logger = options.logger
        started = context.now
        runName = String(UUID().uuidString.lowercased().prefix(8))
        briefs = Self.briefBook(ledger, options, blobs)
        var socketOptions = SocketOptions()
        if let keys = doors.keys {
            socketOptions.security = .server(keys)
            try context.authenticate(doors.decide)
        }
        (socket, endpoint) = try context.bind(options.endpoint, options: socketOptions)
        shared.endpoint.withLock { [endpoint] in $0 = endpoint }
        coordinator = Coordinator(settings: options.settings, restoring: [], at: Instant(context.now))
        try restore(&context)
        resumeCheckpoints()
        run(.tick, &context)
        note("started", "\(options.program) listens on \(endpoint)")
        endTurn(in: &context)
    }

    /// Makes everything that follows from the ledger anew.
    mutating func restore(_ context: inout LoopContext) throws {
        let facts = try ledger.facts()
        studies = Dictionary(uniqueKeysWithValues: try ledger.studies().map { ($0.plan.id, $0) })
        briefs = Self.briefBook(ledger, options, blobs)
        dataTrials = [:]
        latest.forgetAll()
        coordinator = Coordinator(settings: options.settings, restoring: facts, at: Instant(context.now))
    }

    private static func briefBook(_ ledger: Ledger, _ options: CoordinatorOptions, _ blobs: CoordinatorBlobs) -> BriefBook {
        BriefBook(ledger) { study in
            let original = try? Study.parse(yaml: study.yaml, source: study.plan.name).resolvingPaths(against: study.baseFolder)
            let model = original.flatMap { $0.model == Study.starterModel ? nil : try? options.locateModel($0.model).path }
            return (model ?? "", blobs.store.folder.path)
        }
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        guard !isKilled else { return }
        switch event {
        case .message(_, let peer?, let frames): receive(frames, from: peer, &context)
        case .malformed(_, let peer, let reason):
            logger.debug("dropped a message", metadata: ["peer": "\(peer.map(\.description) ?? "?")", "reason": "\(reason)"])
        case .refused(_, let key, let address): refused(key, address)
        case .handshakesFailed: noteAccess(Self.brokenHandshakes)
        case .crowded(_, let isCrowded):
            if isCrowded { noteAccess("too many connections: new ones have to wait") }
        case .tick: tick(&context)
        case .stopping: sayGoodbye(&context)
        case .message, .connected, .disconnected, .retrying: break
        }
    }

    // MARK: - Time

    private mutating func tick(_ context: inout LoopContext) {
        let now = Instant(context.now)
        run(.tick, &context)
        checkpoints.retry()
        ping(&context)
        sessions.forgetSilent(at: now)
        reloadKeys(&context)
        isChanged = true
    }

    /// A word to workers that have been silent for a while: sending is how a broken connection shows.
    private mutating func ping(_ context: inout LoopContext) {
        let now = Instant(context.now)
        for (peer, session) in sessions.workers
        where now - session.heard > options.settings.heartbeat * 3 / 2 && now - session.pinged > options.settings.heartbeat {
            sessions.note(pingTo: peer, at: now)
            turn.say(.heartbeatReply(WireHeartbeatReply()), to: peer)
        }
    }

    private mutating func sayGoodbye(_ context: inout LoopContext) {
        var goodbye = WireGoodbye()
        goodbye.reason = "the coordinator stops"
        note("stopped", "")
        for (peer, _) in sessions.workers { turn.say(.goodbye(goodbye), to: peer) }
        endTurn(in: &context)
        // Nothing may follow: the ledger is closed now.
        isKilled = true
        checkpoints.stop()
        ledger.close()
        home.release()
    }

    private mutating func resumeCheckpoints() {
        for study in studies.values {
            guard let snapshot = coordinator.snapshot(of: study.plan.id) else { continue }
            for trial in snapshot.trials where trial.step > 0 {
                checkpoints.resume(trial.id, step: trial.step, of: study)
            }
        }
    }

    // MARK: - Status

    /// Gives observers a fresh picture, ten times a second at most unless something ended.
    mutating func publish(_ context: inout LoopContext) {
        isChanged = false
        guard let observer = options.observer else { return }
        if let published, context.now - published < .milliseconds(100) { return }
        published = context.now
        observer(status(now: context.now))
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
