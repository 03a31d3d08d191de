// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Studies
import TextualInversion
import WireMessages

/// The numbers of an open `parallel: data` trial: slices come in, the optimizer's steps are taken here.
///
/// It goes the very way of `InversionSession.train`, slice by slice in order, so the bits are those of one worker. Nothing of it has to
/// survive: after a restart it starts again from the trial's last segment.
struct DataTrial {
    let id: TrialID
    let plan: StudyPlan
    let study: Study
    let course: TrainingCourse
    /// Nil until a worker has sent the initial vectors.
    private(set) var state: TrainingState?
    /// The state's vectors as all grants of a step carry them; only updates change them, so only those encode them.
    private(set) var vectors: WireVectors?
    private(set) var open: StepPlan
    /// The segment that was put together and waits to be persisted.
    private(set) var computed: WireSegmentResult?

    private var fromStep: Int
    private var slices: [Int: WireSliceResult] = [:]
    private var history: [HistoryRow] = []
    private var evaluations: [EvaluationRow] = []
    private var modelDigest = Data()
    private var dataDigest = Data()
    private var cpu = ""
    private var opened = ContinuousClock.now

    /// - Parameter last: the trial's last segment; nil at its start.
    init(_ id: TrialID, plan: StudyPlan, study: Study, after last: WireSegmentResult?) throws {
        self.id = id
        self.plan = plan
        self.study = study
        course = try TrainingCourse(study)
        if let last {
            let state = try TrainingState(last.after)
            self.state = state
            vectors = WireVectors(last.after)
            (modelDigest, dataDigest) = (last.modelDigest, last.dataDigest)
            fromStep = state.step
            open = Self.gradientPlan(id, state.step, course)
        } else {
            fromStep = 0
            open = Self.evaluationPlan(id, 0, course)
        }
    }

    func isOpen(_ work: Work) -> Bool {
        switch work {
        case .gradient(id, let step, let slice): open.kind == .gradient && step == open.step && (0..<open.slices).contains(slice)
        case .evaluate(id, let step, let slice): open.kind == .evaluate && step == open.step && (0..<open.slices).contains(slice)
        default: false
        }
    }

    /// Refuses a slice that cannot be part of the open step.
    func check(_ result: WireSliceResult) throws(WireError) {
        let slice = Int(result.lease.index)
        let samples = open.kind == .gradient ? course.samples(ofSlice: slice) : course.samples(ofEvaluationSlice: slice)
        guard result.losses.count == samples.count else {
            throw WireError(.invalid, "slice \(slice) has \(result.losses.count) losses; expected \(samples.count)")
        }
        if let state {
            guard open.kind == .evaluate || result.gradient.count == 4 * state.count * state.width else {
                throw WireError(.invalid, "a gradient has \(result.gradient.count) bytes; expected 4 x \(state.count) x \(state.width)")
            }
        } else {
            guard result.hasInitial else { throw WireError(.invalid, "a first slice comes without the initial vectors") }
            try checkShape(of: result.initial)
        }
        guard modelDigest.isEmpty || modelDigest == result.modelDigest else {
            throw WireError(.invalid, "a slice was computed with another model than the trial's")
        }
        guard dataDigest.isEmpty || dataDigest == result.dataDigest else {
            throw WireError(.invalid, "a slice was computed with other pictures than the trial's")
        }
    }

    /// The initial vectors are as many as the study says, and as wide as those of the other slices.
    private func checkShape(of initial: WireVectors) throws(WireError) {
        let first = slices.values.first { $0.hasInitial }?.initial
        let width = first?.width ?? initial.width
        guard Int(initial.count) == study.pseudoword.vectors, initial.width == width else {
            throw WireError(
                .invalid,
                "a first slice has \(initial.count) initial vectors of width \(initial.width); expected \(study.pseudoword.vectors) of \(width)"
            )
        }
    }

    mutating func keep(_ result: WireSliceResult) {
        slices[Int(result.lease.index)] = result
        if modelDigest.isEmpty { (modelDigest, dataDigest) = (result.modelDigest, result.dataDigest) }
        if cpu.isEmpty { cpu = result.cpu }
    }

    /// Takes the step whose slices are all here.
    ///
    /// - Returns: what comes next: another step, or a segment.
    mutating func close() throws -> Next {
        let parts = (0..<open.slices).compactMap { slices[$0] }
        guard parts.count == open.slices else { throw FleetError(.internal, "step \(open.step) is closed with slices missing") }
        slices = [:]
        switch open.kind {
        case .evaluate: try evaluate(parts)
        case .gradient: try update(parts)
        }
        return try advance(after: open.kind)
    }

    enum Next {
        case step(StepPlan)
        case segment(WireSegmentResult)
    }

    private mutating func evaluate(_ parts: [WireSliceResult]) throws {
        if state == nil, let initial = parts.first?.initial {
            guard parts.allSatisfy({ $0.initial == initial }) else {
                throw FleetError(.internal, "workers made different initial vectors")
            }
            let values = try initial.floats()
            let zeros = [Float](repeating: 0, count: values.count)
            state = TrainingState(
                count: Int(initial.count), width: Int(initial.width), step: 0, embedding: values, expAvg: zeros, expAvgSq: zeros,
                initial: values)
            vectors = initial
        }
        guard let before = state else { throw FleetError(.internal, "there are no vectors") }
        var state = before.inEngine
        evaluations.append(EvaluationRow(try course.recordEvaluation(parts.flatMap(\.losses), in: &state)))
        self.state = TrainingState(state)
    }

    private mutating func update(_ parts: [WireSliceResult]) throws {
        guard let before = state else { throw FleetError(.internal, "there are no vectors") }
        var sum = GradientSum(count: before.embedding.count)
        for part in parts {
            try sum.add(GradientSlice(losses: part.losses, gradient: try FloatBytes.decode(part.gradient, count: before.embedding.count)))
        }
        var state = before.inEngine
        let row = try course.apply(sum, to: &state, seconds: (ContinuousClock.now - opened).inSeconds)
        history.append(HistoryRow(row))
        self.state = TrainingState(state)
        vectors = WireVectors(count: state.rows, width: state.width, values: state.vectors)
        opened = .now
    }

    private mutating func advance(after kind: StepPlan.Kind) throws -> Next {
        guard let state else { throw FleetError(.internal, "there are no vectors") }
        if kind == .gradient, course.isEvaluationDue(at: state.step) {
            open = Self.evaluationPlan(id, state.step, course)
            return .step(open)
        }
        let end = min(plan.segmentEnd(after: fromStep), course.finish)
        guard state.step >= end, state.step > fromStep else {
            open = Self.gradientPlan(id, state.step, course)
            return .step(open)
        }
        var result = WireSegmentResult()
        result.lease = LeaseID(.train(id), attempt: 1).wire
        result.fromStep = UInt32(fromStep)
        result.toStep = UInt32(state.step)
        result.after = WireTrainingState(state)
        result.history = history.map(WireHistoryRow.init)
        result.evaluations = evaluations.map(WireEvaluationRow.init)
        result.modelDigest = modelDigest
        result.dataDigest = dataDigest
        result.finished = state.step >= course.finish
        result.cpu = cpu
        result.digest = result.contentDigest
        computed = result
        return .segment(result)
    }

    private static func gradientPlan(_ id: TrialID, _ step: Int, _ course: TrainingCourse) -> StepPlan {
        StepPlan(trial: id, step: step, kind: .gradient, slices: course.sliceCount)
    }

    private static func evaluationPlan(_ id: TrialID, _ step: Int, _ course: TrainingCourse) -> StepPlan {
        StepPlan(trial: id, step: step, kind: .evaluate, slices: course.evaluationSliceCount)
    }
}

extension CoordinatorHandler {
    /// Opens a `parallel: data` trial from its last segment.
    mutating func open(_ id: TrialID) -> Event {
        guard let study = studies[id.study] else { return .stepFailed(id, .internal, message: "there is no such study") }
        do {
            if let known = dataTrials[id], let done = known.computed {
                // It goes on from the segment that was just accepted.
                dataTrials[id] = try DataTrial(id, plan: study.plan, study: known.study, after: done)
            } else {
                let settings = try Study(json: try ledger.settings(of: id) ?? study.json, source: "study \(study.plan.name)")
                let last = try ledger.lastPayload(of: id).map { try WireSegmentResult(stored: $0) }
                dataTrials[id] = try DataTrial(id, plan: study.plan, study: settings, after: last)
            }
            guard let step = dataTrials[id]?.open else { return .stepFailed(id, .internal, message: "the trial cannot be opened") }
            return .stepOpened(step)
        } catch {
            return failure(id, error)
        }
    }

    /// Keeps the slice that is being handled.
    mutating func keep(_ report: SliceReport) {
        guard let result = arrivingSlice, let trial = report.lease.work.trial else { return }
        dataTrials[trial]?.keep(result)
    }

    mutating func close(_ step: StepPlan) -> Event {
        do {
            switch try dataTrials[step.trial]?.close() {
            case .step(let next): return .stepOpened(next)
            case .segment(let result): return .segmentComputed(try SegmentReport(result, from: .coordinator))
            case nil: return .stepFailed(step.trial, .internal, message: "the trial is not open")
            }
        } catch {
            return failure(step.trial, error)
        }
    }

    private func failure(_ trial: TrialID, _ error: any Error) -> Event {
        switch error {
        case let error as InversionError:
            .stepFailed(trial, error.code == .numeric ? .numeric : .input, message: error.description)
        case is StudyError: .stepFailed(trial, .input, message: "\(error)".oneLine)
        default: .stepFailed(trial, .internal, message: "\(error)".oneLine)
        }
    }
}
