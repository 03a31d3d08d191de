// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Coordination
import Foundation
import WireMessages

/// Writes the checkpoint files of trials from the results in the ledger.
///
/// The ledger is the truth; a checkpoint is a copy of it for people and programs. So a file that cannot be written stops nothing: the
/// problem is shown, and the file is tried again with the next segment and from time to time.
struct CheckpointKeeper {
    /// Snapshots in a file: every segment's vectors for short trials, thinned out for long ones.
    private static let snapshotLimit = 64
    private static let retryAfter: Duration = .seconds(10)

    private let home: Home
    private let ledger: Ledger
    private let program: String
    private var trials: [TrialID: Story] = [:]
    /// The last evaluations of trials whose files were found in order after a restart.
    private var resumed: [TrialID: Double] = [:]
    private var overdue: [TrialID: (due: ContinuousClock.Instant, study: StudyRow)] = [:]
    /// What is wrong with a trial's file.
    private(set) var problems: [TrialID: String] = [:]
    private(set) var paths: [TrialID: String] = [:]

    init(home: Home, ledger: Ledger, program: String) {
        self.home = home
        self.ledger = ledger
        self.program = program
    }

    /// The loss of a trial's last evaluation, as far as its results were read.
    func evaluationLoss(of trial: TrialID) -> Double? { trials[trial]?.evaluations.loss.last ?? resumed[trial] }

    /// Writes the trial's file anew after results went into the ledger.
    ///
    /// - Parameter results: nil if they are to be read from the ledger, as they are where these do not follow what the keeper has.
    mutating func resultsAccepted(_ results: [WireSegmentResult]?, of trial: TrialID, in study: StudyRow) {
        attempt(trial, study) { keeper in
            if let results, keeper.trials[trial]?.isComplete == true,
                keeper.trials[trial]?.step == results.first.map({ Int($0.fromStep) })
            {
                for result in results { try keeper.trials[trial]?.append(result) }
            } else {
                keeper.trials[trial] = try Story(keeper.ledger.payloads(of: trial))
            }
        }
    }

    /// Tries again what could not be written.
    ///
    /// - Returns: the trials that were tried.
    mutating func retry() -> [TrialID] {
        let due = overdue.filter { $0.value.due <= .now }
        for (trial, item) in due { refresh(trial, in: item.study) }
        return Array(due.keys)
    }

    /// Makes the file of a trial agree with the ledger after a restart; does nothing if it does.
    ///
    /// That goes for trials that have ended, too: the coordinator may have been killed between its ledger and its last file.
    mutating func resume(_ trial: TrialID, step: Int, in study: StudyRow) {
        let path = home.checkpoint(study: study.plan.name, trial: trial.index).path
        if let checkpoint = try? Checkpoint.read(from: path), checkpoint.optimizer.step == step, checkpoint.study == study.plan.name {
            paths[trial] = path
            resumed[trial] = checkpoint.evaluation.loss.last
        } else {
            refresh(trial, in: study)
        }
    }

    /// Forgets the history of trials that have ended; their files stay.
    mutating func release(_ trial: TrialID) {
        if overdue[trial] == nil { trials[trial]?.release() }
    }

    private mutating func refresh(_ trial: TrialID, in study: StudyRow) {
        attempt(trial, study) { keeper in
            if keeper.trials[trial]?.isComplete != true { keeper.trials[trial] = try Story(keeper.ledger.payloads(of: trial)) }
        }
    }

    /// Brings the trial's story up to date and writes it; what fails is tried again later.
    private mutating func attempt(_ trial: TrialID, _ study: StudyRow, _ update: (inout Self) throws -> Void) {
        do {
            try update(&self)
            try write(trial, study)
            overdue[trial] = nil
            problems[trial] = nil
        } catch {
            problems[trial] = "the checkpoint could not be written and is tried again: \(error)".oneLine
            overdue[trial] = (.now + Self.retryAfter, study)
        }
    }

    private mutating func write(_ trial: TrialID, _ study: StudyRow) throws {
        guard let story = trials[trial], let last = story.last else { return }
        let state = try TrainingState(last.after)
        func vectors(_ values: [Float]) -> Vectors { Vectors(count: state.count, width: state.width, values: values) }
        let checkpoint = Checkpoint(
            study: study.plan.name, trial: trial.index, program: program, cpu: last.cpu, embedding: vectors(state.embedding),
            initial: vectors(state.initial), best: state.best.map { vectors($0.vectors) }, bestStep: state.best?.step,
            optimizer: .init(
                exponentialAverage: vectors(state.expAvg), exponentialAverageOfSquares: vectors(state.expAvgSq), step: state.step),
            history: story.history, evaluation: story.evaluations, snapshots: story.thinned(to: Self.snapshotLimit),
            studyText: study.yaml, hyperparameters: study.json, modelDigest: last.modelDigest.hexadecimal,
            dataDigest: last.dataDigest.hexadecimal)
        let file = home.checkpoint(study: study.plan.name, trial: trial.index)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try checkpoint.write(to: file.path)
        paths[trial] = file.path
    }
}

/// A trial's results so far, joined.
private struct Story {
    private(set) var history = History()
    private(set) var evaluations = Evaluations()
    private(set) var snapshots: [Checkpoint.Snapshot] = []
    private(set) var last: WireSegmentResult?
    private(set) var isComplete = true

    /// The step that the results reach.
    var step: Int { Int(last?.toStep ?? 0) }

    init(_ payloads: [Data]) throws {
        for payload in payloads { try append(WireSegmentResult(stored: payload)) }
    }

    mutating func append(_ result: WireSegmentResult) throws {
        let state = result.after
        let vectors = Vectors(count: Int(state.count), width: Int(state.width), values: try state.values(\.embedding))
        for row in result.history {
            history.append(
                step: Int(row.step), loss: row.loss, learningRate: row.learningRate, gradientNorm: Float(row.gradientNorm),
                embeddingNorm: Float(row.embeddingNorm), seconds: row.seconds)
        }
        // A segment may begin with the evaluation that ended the one before.
        for row in result.evaluations where evaluations.step.last.map({ $0 < Int(row.step) }) ?? true {
            evaluations.append(step: Int(row.step), loss: row.loss, standardError: row.standardError)
        }
        snapshots.append(Checkpoint.Snapshot(step: Int(result.toStep), vectors: vectors))
        last = result
    }

    mutating func release() {
        history = History()
        snapshots = []
        isComplete = false
    }

    /// Every snapshot, or every second, fourth, and so on, so that they are `limit` at most; depends on their number only.
    func thinned(to limit: Int) -> [Checkpoint.Snapshot] {
        var stride = 1
        while snapshots.count / stride > limit { stride *= 2 }
        return snapshots.enumerated().filter { ($0.offset + 1).isMultiple(of: stride) }.map(\.element)
    }
}
