// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import TextualInversion

@testable import Fleet

/// Trains nothing, deterministically: the gradient of a sample is a pure function of vectors, trial, step and sample.
///
/// Everything else is as in the real engine: the study's optimizer, its schedules, its slices and their order. So one worker that
/// trains segments and many that compute slices have to end with the same bits.
struct FakeTrainer: Trainer {
    var secondsPerStep = 0.002
    var secondsPerSlice = 0.0005
    /// Called before each step of a segment with its number from 1, on the compute thread; may throw or wait.
    var beforeStep: @Sendable (Int) throws -> Void = { _ in }
    var beforeSlice: @Sendable (SliceRequest) throws -> Void = { _ in }
    var beforePiece: @Sendable (PieceRequest) throws -> Void = { _ in }
    /// Added to every result's first vector: a machine that computes wrongly.
    var error: Float = 0

    static let width = 4

    // MARK: - Segments

    func train(
        _ request: SegmentRequest, report: @Sendable (SegmentProgress) -> Void, isCancelled: @Sendable () -> Bool
    ) throws -> SegmentOutcome {
        let study = try Study(json: request.study.json), course = try TrainingCourse(study)
        var state = request.state?.inEngine ?? Self.initialState(study, trial: request.trial)
        guard state.step == request.fromStep else { throw SegmentFailure(.internal, "the state is at step \(state.step)") }
        var history: [Fleet.HistoryRow] = [], evaluations: [Fleet.EvaluationRow] = []
        if state.step == 0 { evaluations.append(try Self.evaluate(&state, course)) }
        while state.step < min(request.toStep, course.finish) {
            if isCancelled() { throw CancellationError() }
            try beforeStep(state.step + 1)
            Thread.sleep(forTimeInterval: secondsPerStep)
            var sum = GradientSum(count: state.vectors.count)
            for slice in 0..<course.sliceCount {
                try sum.add(Self.gradient(state.vectors, step: state.step, trial: request.trial, slice: slice, study, course))
            }
            do {
                history.append(Fleet.HistoryRow(try course.apply(sum, to: &state, seconds: secondsPerStep)))
            } catch let error as InversionError {
                throw SegmentFailure(.numeric, error.description)
            }
            if course.isEvaluationDue(at: state.step) { evaluations.append(try Self.evaluate(&state, course)) }
            report(SegmentProgress(step: state.step, loss: history.last?.loss, evaluationLoss: evaluations.last?.loss))
        }
        state.vectors[0] += error
        return SegmentOutcome(
            state: Fleet.TrainingState(state), history: history, evaluations: evaluations, modelDigest: Self.modelDigest,
            dataDigest: try Self.dataDigest(request.study), cpu: "fake", finished: state.step >= course.finish)
    }

    // MARK: - Slices

    func slice(_ request: SliceRequest, isCancelled: @Sendable () -> Bool) throws -> SliceOutcome {
        if isCancelled() { throw CancellationError() }
        try beforeSlice(request)
        Thread.sleep(forTimeInterval: secondsPerSlice)
        let study = try Study(json: request.study.json), course = try TrainingCourse(study)
        let first = request.vectors == nil ? Self.initialState(study, trial: request.trial) : nil
        let vectors = request.vectors?.values ?? first?.vectors ?? []
        var outcome = SliceOutcome(
            losses: [], modelDigest: Self.modelDigest, dataDigest: try Self.dataDigest(request.study), cpu: "fake")
        outcome.initial = first.map { VectorRows(count: $0.rows, width: $0.width, values: $0.vectors) }
        switch request.kind {
        case .gradient:
            let slice = Self.gradient(vectors, step: request.step, trial: request.trial, slice: request.slice, study, course)
            (outcome.losses, outcome.gradient) = (slice.losses, slice.gradient)
            outcome.gradient[0] += error
        case .evaluate: outcome.losses = Self.losses(vectors, of: course.samples(ofEvaluationSlice: request.slice))
        }
        return outcome
    }

    // MARK: - Pieces

    /// An encoded part is its pictures' bytes, one after the other; a preview says what it was made from.
    func piece(_ request: PieceRequest, isCancelled: @Sendable () -> Bool) throws -> Data {
        if isCancelled() { throw CancellationError() }
        try beforePiece(request)
        switch request.kind {
        case .encode(let part): return try Self.shard(part, of: try Study(json: request.study.json).data.pictures)
        case .preview(let vectors): return Data("preview of \(vectors.count) x \(vectors.width): \(vectors.values)".utf8)
        }
    }

    static func shard(_ part: Int, of folder: String) throws -> Data {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".png") }.sorted()
        let parts = LatentDataSet.parts(names.count)
        guard parts.indices.contains(part) else { throw SegmentFailure(.input, "part \(part) of \(parts.count)") }
        return try names[parts[part]].reduce(into: Data("shard \(part)\n".utf8)) { data, name in
            data += try Data(contentsOf: URL(fileURLWithPath: folder).appendingPathComponent(name))
        }
    }

    // MARK: - Arithmetic

    static let modelDigest = [UInt8](repeating: 1, count: 32)

    /// Depends on every byte of the encoded pictures.
    static func dataDigest(_ study: PreparedStudy) throws -> [UInt8] {
        var digest = [UInt8](repeating: 2, count: 32)
        for (index, byte) in try (study.shards ?? []).flatMap({ try Data(contentsOf: $0) }).enumerated() {
            digest[index % 32] = digest[index % 32] &* 31 &+ byte
        }
        return digest
    }

    static func initialState(_ study: Study, trial: Int) -> TextualInversion.TrainingState {
        let rows = study.pseudoword.vectors
        return TextualInversion.TrainingState(rows: rows, width: width, initial: (0..<rows * width).map { Float($0 + trial) / 8 })
    }

    static func gradient(
        _ vectors: [Float], step: Int, trial: Int, slice: Int, _ study: Study, _ course: TrainingCourse
    ) -> GradientSlice {
        var losses: [Double] = [], gradient = [Float](repeating: 0, count: vectors.count)
        for sample in course.samples(ofSlice: slice) {
            var loss: Float = 0
            for index in vectors.indices {
                let distance = vectors[index] - Float((index * 7 + trial * 3 + step + sample * 5) % 11) / 11
                gradient[index] += distance / Float(study.training.batch)
                loss += distance * distance
            }
            losses.append(Double(loss))
        }
        return GradientSlice(losses: losses, gradient: gradient)
    }

    private static func losses(_ vectors: [Float], of samples: Range<Int>) -> [Double] {
        samples.map { sample in
            var sum: Float = 0
            for index in vectors.indices {
                let wanted = Float((index * 5 + sample * 3) % 7) / 7
                sum += abs(vectors[index] - wanted)
            }
            return Double(sum)
        }
    }

    private static func evaluate(_ state: inout TextualInversion.TrainingState, _ course: TrainingCourse) throws -> Fleet.EvaluationRow {
        let slices = (0..<course.evaluationSliceCount).map { losses(state.vectors, of: course.samples(ofEvaluationSlice: $0)) }
        return Fleet.EvaluationRow(try course.recordEvaluation(course.losses(slices), in: &state))
    }

    /// What a trial has to end with, whoever trained it.
    static func undisturbed(_ study: FakeStudy, trial: Int = 0, shards: [URL]? = nil) throws -> SegmentOutcome {
        try FakeTrainer(secondsPerStep: 0).train(
            request(study, trial: trial, shards: shards), report: { _ in }, isCancelled: { false })
    }

    /// A whole trial, or part of it, as a worker would be asked for it.
    static func request(
        _ study: FakeStudy, trial: Int = 0, from fromStep: Int = 0, to toStep: Int? = nil, state: Fleet.TrainingState? = nil,
        shards: [URL]? = nil
    ) throws -> SegmentRequest {
        let settings = try study.settings(trial: trial)
        return SegmentRequest(
            study: PreparedStudy(key: "\(study.name) \(trial)", json: settings.canonicalJSON(), shards: shards), trial: trial,
            fromStep: fromStep, toStep: toStep ?? settings.training.steps, state: state)
    }
}
