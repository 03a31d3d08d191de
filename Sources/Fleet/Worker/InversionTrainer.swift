// SPDX-License-Identifier: Apache-2.0

package import Foundation
import ModelFiles
import Pictures
package import StableDiffusion
import Studies
import Synchronization
import Tensors
import TextualInversion

/// Computes with the real engine: where the compute column and the cluster column meet.
///
/// Keeps the model and the latents of the study it worked on last, and its trials' prompts, in memory for what comes next.
package final class InversionTrainer: Trainer {
    private static let keptSessions = 8

    private let locate: @Sendable (String) throws -> ModelFolder
    private let cpu: String
    private let kept = Mutex(Kept())

    private struct Kept {
        var model: (path: String, precision: ProductPrecision, loaded: LoadedModel)?
        var data: (shards: [URL], flips: Bool, set: LatentDataSet)?
        /// By the study's key, the oldest first.
        var sessions: [(key: String, session: InversionSession)] = []
    }

    /// - Parameters:
    ///   - cpu: the kind of CPU and the settings that the bits depend on; the precision is added to it.
    ///   - locate: the folder that a study's `model` means on this machine.
    package init(cpu: String, locate: @escaping @Sendable (String) throws -> ModelFolder) {
        self.cpu = cpu
        self.locate = locate
    }

    package func train(
        _ request: SegmentRequest, report: @Sendable (SegmentProgress) -> Void, isCancelled: @Sendable () -> Bool
    ) throws -> SegmentOutcome {
        try translatingErrors {
            let session = try session(for: request.study, isCancelled: isCancelled)
            let state = try request.state.map { try $0.asTraining(for: session) } ?? session.initialState()
            guard state.step == request.fromStep else {
                throw SegmentFailure(.internal, "the state is at step \(state.step), the lease starts at \(request.fromStep)")
            }
            let segment = try session.train(
                state, trial: request.trial, until: request.toStep,
                report: { row, evaluation in
                    report(SegmentProgress(step: row.step, loss: row.loss, evaluationLoss: evaluation?.loss))
                }, isCancelled: isCancelled)
            try check(session)
            return SegmentOutcome(
                state: TrainingState(segment.state), history: segment.history.map(HistoryRow.init),
                evaluations: segment.evaluations.map(EvaluationRow.init), modelDigest: Self.bytes(session.modelDigest),
                dataDigest: Self.bytes(session.dataDigest), cpu: "\(cpu); \(session.precision.rawValue)", finished: segment.isFinished)
        }
    }

    package func slice(_ request: SliceRequest, isCancelled: @Sendable () -> Bool) throws -> SliceOutcome {
        try translatingErrors {
            let session = try session(for: request.study, isCancelled: isCancelled)
            let initial = request.vectors == nil ? session.initialState() : nil
            let vectors = request.vectors?.values ?? initial?.vectors ?? []
            var outcome = SliceOutcome(
                losses: [], modelDigest: Self.bytes(session.modelDigest), dataDigest: Self.bytes(session.dataDigest),
                cpu: "\(cpu); \(session.precision.rawValue)")
            outcome.initial = initial.map { VectorRows(count: $0.rows, width: $0.width, values: $0.vectors) }
            switch request.kind {
            case .gradient:
                let slice = try session.gradientSlice(vectors: vectors, step: request.step, trial: request.trial, slice: request.slice)
                (outcome.losses, outcome.gradient) = (slice.losses, slice.gradient)
            case .evaluate: outcome.losses = try session.evaluationSlice(vectors: vectors, slice: request.slice)
            }
            try check(session)
            return outcome
        }
    }

    package func piece(_ request: PieceRequest, isCancelled: @Sendable () -> Bool) throws -> Data {
        try translatingErrors {
            switch request.kind {
            case .encode(let part):
                let study = try Study(json: request.study.json, source: "study")
                let pictures = try PictureFolder.list(study.data.pictures)
                let parts = LatentDataSet.parts(pictures.count)
                guard parts.indices.contains(part) else {
                    throw SegmentFailure(.input, "part \(part) of \(parts.count): the study's pictures have changed")
                }
                let shard = try LatentShard.encode(
                    pictures: Array(pictures[parts[part]]), size: study.data.resolution, flips: study.needsFlips,
                    model: locate(study.model), isCancelled: isCancelled)
                return Data(shard.encoded())
            case .preview(let vectors):
                let session = try session(for: request.study, isCancelled: isCancelled)
                let picture = Result { try Preview(session, folder: locate(session.study.model)).render(vectors.values) }
                try check(session)
                return Data(try picture.get())
            }
        }
    }

    // MARK: - Memory

    private func session(for request: PreparedStudy, isCancelled: () -> Bool) throws -> InversionSession {
        if let known = kept.withLock({ $0.sessions.first { $0.key == request.key } }) { return known.session }
        let study = try Study(json: request.json, source: "study")
        let session: InversionSession
        if let shards = request.shards {
            let data = try dataSet(shards, flips: study.data.flip > 0)
            if isCancelled() { throw InversionError(.cancelled, "stopped while the model was being read") }
            session = try InversionSession(study: study, model: model(study.model, study.training.precision.ofProducts()), dataSet: data)
        } else {
            session = try InversionSession(study: study, folder: locate(study.model), isCancelled: isCancelled)
        }
        kept.withLock { kept in
            kept.sessions.append((request.key, session))
            if kept.sessions.count > Self.keptSessions { kept.sessions.removeFirst() }
        }
        return session
    }

    private func model(_ name: String, _ precision: ProductPrecision) throws -> LoadedModel {
        let folder = try locate(name)
        if let known = kept.withLock({ $0.model }), known.path == folder.path, known.precision == precision { return known.loaded }
        // The old one goes first: two models may not fit.
        kept.withLock { $0 = Kept() }
        let loaded = try LoadedModel(folder, precision)
        kept.withLock { $0.model = (folder.path, precision, loaded) }
        return loaded
    }

    private func dataSet(_ shards: [URL], flips: Bool) throws -> LatentDataSet {
        if let known = kept.withLock({ $0.data }), known.shards == shards, known.flips == flips { return known.set }
        let set = try LatentDataSet(
            shards: shards.map { try LatentShard(path: $0.path) }, flips: flips)
        kept.withLock { $0.data = (shards, flips, set) }
        return set
    }

    /// A model that was overwritten under our feet is read anew for what comes next.
    private func check(_ session: InversionSession) throws {
        do {
            try session.checkModel()
        } catch {
            kept.withLock { $0 = Kept() }
            throw error
        }
    }

    // MARK: - Errors

    /// Wrong pictures, words or models fail everywhere; the rest may be this machine's trouble.
    private func translatingErrors<Value>(_ work: () throws -> Value) throws -> Value {
        do {
            return try work()
        } catch {
            throw Self.failure(error)
        }
    }

    private static func failure(_ error: any Error) -> SegmentFailure {
        switch error {
        case let failure as SegmentFailure: failure
        case let error as InversionError:
            switch error.code {
            case .input, .prompt: SegmentFailure(.input, error.description)
            case .machine: SegmentFailure(.unable, error.description)
            case .numeric: SegmentFailure(.numeric, error.description)
            case .cancelled: SegmentFailure(.internal, error.description)
            }
        case is StudyError, is ModelError, is PictureError: SegmentFailure(.input, "\(error)")
        case let error as ModelFileError:
            SegmentFailure([.inputOutput, .notFound, .changed].contains(error.code) ? .unable : .input, error.description)
        default: SegmentFailure(.internal, "\(error)")
        }
    }

    private static func bytes(_ hexadecimal: String) -> [UInt8] { Data(hexadecimal: hexadecimal).map(Array.init) ?? [] }
}

extension TrainingState {
    init(_ state: TextualInversion.TrainingState) {
        self.init(
            count: state.rows, width: state.width, step: state.step, embedding: state.vectors, expAvg: state.exponentialAverage,
            expAvgSq: state.exponentialAverageOfSquares, initial: state.initial)
        if let vectors = state.best, let step = state.bestStep, let loss = state.bestLoss {
            best = BestVectors(vectors: vectors, step: step, loss: loss)
        }
    }

    /// The same as the engine has it.
    var inEngine: TextualInversion.TrainingState {
        var state = TextualInversion.TrainingState(rows: count, width: width, initial: initial)
        state.step = step
        state.vectors = embedding
        state.exponentialAverage = expAvg
        state.exponentialAverageOfSquares = expAvgSq
        (state.best, state.bestStep, state.bestLoss) = (best?.vectors, best?.step, best?.loss)
        return state
    }

    fileprivate func asTraining(for session: InversionSession) throws -> TextualInversion.TrainingState {
        guard count == session.study.pseudoword.vectors, width == session.width else {
            throw SegmentFailure(
                .input,
                "the trial has \(count) vectors of width \(width), study and model say \(session.study.pseudoword.vectors) of \(session.width)"
            )
        }
        return inEngine
    }
}

extension HistoryRow {
    init(_ row: TextualInversion.HistoryRow) {
        self.init(
            step: row.step, loss: row.loss, learningRate: row.learningRate, gradientNorm: Double(row.gradientNorm),
            embeddingNorm: Double(row.embeddingNorm), seconds: row.seconds)
    }
}

extension EvaluationRow {
    init(_ row: TextualInversion.EvaluationRow) {
        self.init(step: row.step, loss: row.loss, standardError: row.standardError)
    }
}
