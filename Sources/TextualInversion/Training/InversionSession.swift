// SPDX-License-Identifier: Apache-2.0
private import Foundation
package import StableDiffusion
package import Studies
import Tensors

/// One study made ready to train on this machine: model, latents, prompts and evaluation set in memory.
///
/// A worker keeps it from segment to segment. All of it is derived from the study, so losing it loses nothing.
package final class InversionSession: Sendable {
    package let study: Study
    package let modelDigest: String
    package var dataDigest: String { dataSet.digest }
    package let width: Int

    let model: InversionModel
    let dataSet: LatentDataSet
    let evaluationSet: EvaluationSet
    let schedule: LearningRateSchedule
    let clipSchedule: LearningRateSchedule?
    /// Token ids of each template for each picture: [picture][template].
    let prompts: [[[Int]]]
    private let initialVectors: Tensor

    /// Loads the model, encodes the pictures and refuses whatever cannot be trained.
    ///
    /// - Parameter folder: where the study's model is.
    package init(study: Study, folder: ModelFolder, isCancelled: () -> Bool = { false }) throws {
        self.study = study
        schedule = try LearningRateSchedule(study.training.learningRate, maximumSteps: study.training.steps)
        clipSchedule = try study.training.clipGradient.schedule(maximumSteps: study.training.steps)
        dataSet = try LatentDataSet(
            folder: study.data.pictures, size: study.data.resolution, flips: study.data.flip > 0, model: folder, isCancelled: isCancelled)
        let prompts = try StudyPrompts(study, captions: dataSet.items.map { ($0.file, $0.caption) }, folder: folder)
        let tokens = prompts.tokens
        self.prompts = tokens
        if isCancelled() { throw InversionError(.cancelled, "stopped while the model was being read") }
        let model = try InversionModel(folder)
        self.model = model
        width = model.textEncoder.width
        modelDigest = try ModelDigest.digest(of: folder)
        initialVectors = try Initializer.vectors(
            study.pseudoword.initialization, count: study.pseudoword.vectors, tokenizer: prompts.tokenizer,
            embedding: model.textEncoder.embedding,
            draws: RandomDraws(seed: study.training.seed, stream: .initialization))
        evaluationSet = EvaluationSet(
            dataSet: dataSet, model: model, samples: study.evaluation.samples, microbatch: max(1, study.training.microbatch),
            seed: study.training.seed, usesMean: study.data.latents == .mean
        ) { sample, picture in tokens[picture][sample / tokens.count % tokens[picture].count] }
    }

    /// A trial before its first step.
    package func initialState() -> TrainingState {
        TrainingState(rows: study.pseudoword.vectors, width: width, initial: initialVectors.values)
    }
}
