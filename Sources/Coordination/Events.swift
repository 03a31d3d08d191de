// SPDX-License-Identifier: Apache-2.0

/// What a worker says of itself when it joins.
///
/// For people to read; only `numericsClass` decides anything, and name, host and key tell whether a process came in the place of another.
package struct WorkerDescription: Hashable, Sendable {
    package var name: String
    package var host: String
    package var processID: Int
    package var threads: Int
    package var cpu: String
    package var program: String
    /// The determinism class: workers of one class give the same bits.
    package var numericsClass: String
    /// The key that it came with; empty where there are none.
    package var key: String

    package init(
        name: String, host: String = "", processID: Int = 0, threads: Int = 0, cpu: String = "", program: String = "",
        numericsClass: String = "", key: String = ""
    ) {
        self.name = name
        self.host = host
        self.processID = processID
        self.threads = threads
        self.cpu = cpu
        self.program = program
        self.numericsClass = numericsClass
        self.key = key
    }

    /// Whether the other one is a process in the place of this one: on the same machine, under the same name.
    ///
    /// Workers that nobody named are called by their host and process number, of which the number means nothing here.
    func isInPlace(of other: WorkerDescription) -> Bool {
        (key, host, place) == (other.key, other.host, other.place)
    }

    private var place: Substring {
        let number = "/\(processID)"
        return name.hasSuffix(number) ? name.dropLast(number.count) : name[...]
    }
}

/// A lease that a worker says it holds, and how far it is.
package struct LeaseProgress: Hashable, Sendable {
    package var lease: LeaseID
    /// Steps completed, counted from the start of the trial.
    package var step: Int
    package var stepsPerSecond: Double
    package var loss: Double?
    /// The worker's own word that its step counter has not moved for much longer than a step takes.
    package var isStalled: Bool

    package init(lease: LeaseID, step: Int, stepsPerSecond: Double = 0, loss: Double? = nil, isStalled: Bool = false) {
        self.lease = lease
        self.step = step
        self.stepsPerSecond = stepsPerSecond
        self.loss = loss
        self.isStalled = isStalled
    }
}

/// Where a result is kept.
package enum Shelf: String, Hashable, Sendable {
    /// Part of its trial.
    case segment
    /// Beside the trial: it contradicts the segment that was accepted first.
    case conflict
}

/// What happens to a coordinator.
package enum Event: Hashable, Sendable {
    case studySubmitted(StudyPlan)
    case studyCancelled(StudyID)
    /// Nothing of it is granted any more, and what is being computed is called off.
    case studyPaused(StudyID)
    case studyResumed(StudyID)
    /// Larger priorities are served first.
    case studyPrioritized(StudyID, Int)
    case trialPaused(TrialID)
    case trialResumed(TrialID)
    case trialPruned(TrialID, reason: String)

    /// A worker joined, or came back.
    ///
    /// It gets work when its first heartbeat has said what it holds.
    case workerHello(WorkerID, WorkerDescription)
    /// `holding` is complete: the worker does not have what it does not name.
    case workerHeartbeat(WorkerID, holding: [LeaseProgress])
    /// The worker leaves on purpose and gives back what it has.
    case workerGoodbye(WorkerID)
    /// The worker's connection is gone: its process died, or the network did.
    case workerUnreachable(WorkerID)
    case workerDrained(WorkerID)

    case segmentResult(SegmentReport)
    case pieceResult(PieceReport)
    case sliceResult(SliceReport)
    case leaseFailed(WorkerID, LeaseID, FailureKind, message: String)

    /// The answer to `Action.persist`: the result is on disk.
    case resultPersisted(SegmentReport, Shelf)
    /// The answer to `Action.persist`: the disk refused.
    ///
    /// The worker keeps the result and sends it again.
    case resultNotPersisted(SegmentReport, Shelf)
    /// The answer to `Action.grant` when the attempt number could not be written; the grant was not sent.
    case grantNotPersisted(LeaseID)

    /// The answer to `Action.grant` when the work cannot be put into a message, such as after damage to what is on disk.
    ///
    /// `input`: it will never be possible. `internal`: it may be, later.
    case grantImpossible(LeaseID, FailureKind, message: String)

    /// The answer to `Action.persistPiece`.
    case piecePersisted(PieceReport)
    case pieceNotPersisted(PieceReport)

    /// The answer to `Action.openTrial`, and to `Action.closeStep` when the trial goes on: the next slices can be handed out.
    case stepOpened(StepPlan)
    /// The answer to `Action.closeStep` at the end of a segment; it is judged and persisted like a worker's.
    ///
    /// Afterwards the trial is opened anew with `Action.openTrial` unless it has ended.
    case segmentComputed(SegmentReport)
    /// The answer to `Action.openTrial` or `Action.closeStep` when the trial cannot go on.
    case stepFailed(TrialID, FailureKind, message: String)

    /// The ledger refused to write, and everything was read from it anew: nothing is granted for a while.
    case storageRefused

    /// Time passed.
    case tick
}

/// A lease and whom it goes to.
package struct Grant: Hashable, Sendable {
    package let worker: WorkerID
    package let lease: LeaseID
    /// For `train` the completed steps before the segment; for other work the step of its vectors.
    package let fromStep: Int
    package let toStep: Int

    package init(worker: WorkerID, lease: LeaseID, fromStep: Int, toStep: Int) {
        self.worker = worker
        self.lease = lease
        self.fromStep = fromStep
        self.toStep = toStep
    }
}

/// The coordinator's answer to a result.
///
/// Only after any of these may a worker forget the result.
package enum Acknowledgement: Hashable, Sendable {
    /// It is on disk, and the trial went on from it.
    case accepted
    /// The same bits are on disk already.
    case duplicate
    /// Nobody needs it any more.
    case stale(reason: String)
    /// Other bits are on disk for the same steps; both are kept.
    case conflict
}

/// What the owner of a coordinator has to do, in this order.
package enum Action: Hashable, Sendable {
    /// Send the grant; the attempt number of `train` work goes to disk first, and if the disk refuses, answer `grantNotPersisted`.
    case grant(Grant)
    /// Write the result to disk, then answer `resultPersisted` or `resultNotPersisted`.
    case persist(SegmentReport, Shelf)
    case acknowledge(SegmentReport, Acknowledgement)
    /// Write the blob's digest to disk, then answer `piecePersisted` or `pieceNotPersisted`.
    case persistPiece(PieceReport)
    case acknowledgePiece(PieceReport, Acknowledgement)

    /// Read the state of a `parallel: data` trial from its last segment and answer `stepOpened` (or `stepFailed`).
    case openTrial(TrialID)
    /// Keep the numbers of this slice: it is the first answer for its place.
    case keepSlice(SliceReport)
    /// Every slice is kept: take the optimizer's step, or the mean of the losses, and answer `stepOpened`, `segmentComputed` or
    /// `stepFailed`.
    case closeStep(StepPlan)
    /// Forget the numbers of a `parallel: data` trial: it ended, or was paused, or lost its place.
    case closeTrial(TrialID)
    case cancelLease(WorkerID, LeaseID, reason: String)
    /// Write the trial's row.
    case recordTrial(TrialRecord)
    /// Write the study's state.
    case studyFinished(StudyID, StudyState, reason: String)
    /// Write the study's priority and whether it is paused.
    case recordStudy(StudyID, priority: Int, isPaused: Bool)
    /// Write the determinism class that the study's bits are of from now on.
    case recordClass(StudyID, String)
    /// Tell the worker to finish what it has and leave.
    case drain(WorkerID)

    /// For the log: the work waits for another worker.
    case requeued(LeaseID, reason: String)
    /// For the log: the work is given up; nothing waits for it.
    case abandoned(LeaseID, reason: String)
    /// For the log.
    case workerChanged(WorkerID, WorkerState)
    /// For the log: the same steps gave other bits.
    ///
    /// One of the two machines is wrong, or they are of different kinds.
    case determinismAlarm(TrialID, kept: SegmentFact, offered: SegmentReport)
    /// For the log: two workers gave other bits for the same slice or piece.
    case pieceAlarm(LeaseID, kept: String, keptBy: WorkerID, offered: String, offeredBy: WorkerID)
}
