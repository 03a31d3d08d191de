// SPDX-License-Identifier: Apache-2.0

private import Foundation
private import ModelFiles
private import Pictures
package import StableDiffusion
private import Studies
private import Synchronization
private import Tensors
private import TextualInversion

/// Trains segments with the real engine: where the compute column and the cluster column meet.
///
/// Keeps the study it trained last (model, latents, prompts) in memory for the next segment.
package final class InversionTrainer: SegmentTrainer {
    private let locate: @Sendable (String) throws -> ModelFolder
    private let cpu: String
    private let kept = Mutex<(key: String, session: InversionSession)?>(nil)

    /// - Parameters:
    ///   - cpu: the kind of CPU and the settings that the bits depend on.
    ///   - locate: the folder that a study's `model` means on this machine.
    package init(cpu: String, locate: @escaping @Sendable (String) throws -> ModelFolder) {
        self.cpu = cpu
        self.locate = locate
    }

    package func train(
        _ request: SegmentRequest, report: @Sendable (SegmentProgress) -> Void, isCancelled: @Sendable () -> Bool
    ) throws -> SegmentOutcome {
        do {
            let session = try session(for: request, isCancelled: isCancelled)
            let state = try request.state.map { try $0.asTraining(for: session) } ?? session.initialState()
            guard state.step == request.fromStep else {
                throw SegmentFailure(.internal, "the state is at step \(state.step), the lease starts at \(request.fromStep)")
            }
            let segment = try session.train(
                state, trial: request.trial, until: request.toStep,
                report: { row, evaluation in
                    report(SegmentProgress(step: row.step, loss: row.loss, evaluationLoss: evaluation?.loss))
                }, isCancelled: isCancelled)
            return SegmentOutcome(
                state: TrainingState(segment.state), history: segment.history.map(HistoryRow.init),
                evaluations: segment.evaluations.map(EvaluationRow.init), modelDigest: Self.bytes(session.modelDigest),
                dataDigest: Self.bytes(session.dataDigest), cpu: cpu, finished: segment.isFinished)
        } catch {
            throw Self.failure(error)
        }
    }

    private func session(for request: SegmentRequest, isCancelled: () -> Bool) throws -> InversionSession {
        if let known = kept.withLock({ $0 }), known.key == request.studyJSON { return known.session }
        kept.withLock { $0 = nil }
        let study = try Study(json: request.studyJSON, source: "study \(request.studyName)")
        let session = try InversionSession(study: study, folder: locate(study.model), isCancelled: isCancelled)
        kept.withLock { $0 = (request.studyJSON, session) }
        return session
    }

    /// Wrong pictures, words or models fail everywhere; the rest may be this machine's trouble.
    private static func failure(_ error: any Error) -> SegmentFailure {
        switch error {
        case let failure as SegmentFailure: failure
        case let error as InversionError:
            switch error.code {
            case .input, .prompt: SegmentFailure(.input, error.description)
            case .numeric: SegmentFailure(.numeric, error.description)
            case .cancelled: SegmentFailure(.internal, error.description)
            }
        case is StudyError, is ModelError, is PictureError: SegmentFailure(.input, "\(error)")
        case let error as ModelFileError: SegmentFailure(error.code == .inputOutput ? .internal : .input, error.description)
        default: SegmentFailure(.internal, "\(error)")
        }
    }

    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal.utf8).map { $0 > 96 ? $0 - 87 : $0 - 48 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

extension TrainingState {
    fileprivate init(_ state: TextualInversion.TrainingState) {
        self.init(
            count: state.rows, width: state.width, step: state.step, embedding: state.vectors, expAvg: state.exponentialAverage,
            expAvgSq: state.exponentialAverageOfSquares, initial: state.initial)
        if let vectors = state.best, let step = state.bestStep, let loss = state.bestLoss {
            best = BestVectors(vectors: vectors, step: step, loss: loss)
        }
    }

    fileprivate func asTraining(for session: InversionSession) throws -> TextualInversion.TrainingState {
        guard count == session.study.pseudoword.vectors, width == session.width else {
            throw SegmentFailure(
                .input,
                "the trial has \(count) vectors of width \(width), study and model say \(session.study.pseudoword.vectors) of \(session.width)"
            )
        }
        var state = TextualInversion.TrainingState(rows: count, width: width, initial: initial)
        state.step = step
        state.vectors = embedding
        state.exponentialAverage = expAvg
        state.exponentialAverageOfSquares = expAvgSq
        (state.best, state.bestStep, state.bestLoss) = (best?.vectors, best?.step, best?.loss)
        return state
    }
}

extension HistoryRow {
    fileprivate init(_ row: TextualInversion.HistoryRow) {
        self.init(
            step: row.step, loss: row.loss, learningRate: row.learningRate, gradientNorm: Double(row.gradientNorm),
            embeddingNorm: Double(row.embeddingNorm), seconds: row.seconds)
    }
}

extension EvaluationRow {
    fileprivate init(_ row: TextualInversion.EvaluationRow) {
        self.init(step: row.step, loss: row.loss, standardError: row.standardError)
    }
}
