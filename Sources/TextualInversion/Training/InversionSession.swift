// SPDX-License-Identifier: Apache-2.0
package import StableDiffusion
package import Studies
package import Tensors

/// One study made ready to train on this machine: model, latents, prompts and evaluation set in memory.
///
/// A worker keeps it from segment to segment. All of it is derived from the study, so losing it loses nothing.
package final class InversionSession: Sendable {
    package let study: Study
    package var modelDigest: String { loaded.digest }
    package var precision: ProductPrecision { loaded.precision }
    package var dataDigest: String { dataSet.digest }
    package var width: Int { model.textEncoder.width }
    package let course: TrainingCourse

    let loaded: LoadedModel
    var model: InversionModel { loaded.model }
    let dataSet: LatentDataSet
    let evaluationSet: EvaluationSet
    /// Token ids of each template for each picture: [picture][template].
    let prompts: [[[Int]]]
    private let initialVectors: Tensor

    /// Loads the model, encodes the pictures and refuses whatever cannot be trained.
    ///
    /// - Parameters:
    ///   - study: one trial: a study without a search.
    ///   - folder: where the study's model is.
    package convenience init(study: Study, folder: ModelFolder, isCancelled: () -> Bool = { false }) throws {
        _ = try TrainingCourse(study)
        let dataSet = try LatentDataSet(
            folder: study.data.pictures, size: study.data.resolution, flips: study.data.flip > 0, model: folder, isCancelled: isCancelled)
        try self.init(study: study, folder: folder, dataSet: dataSet, isCancelled: isCancelled)
    }

    /// The same from pictures that were encoded elsewhere: neither the pictures nor the autoencoder are read.
    ///
    /// - Parameters:
    ///   - shards: all parts of the study's pictures in order.
    ///   - modelDigest: when it is known already; nil: it is computed, for which every file of the model has to be there.
    package convenience init(
        study: Study, folder: ModelFolder, shards: [LatentShard], modelDigest: String? = nil, isCancelled: () -> Bool = { false }
    ) throws {
        _ = try TrainingCourse(study)
        let dataSet = try LatentDataSet(shards: shards, flips: study.data.flip > 0)
        try self.init(study: study, folder: folder, dataSet: dataSet, modelDigest: modelDigest, isCancelled: isCancelled)
    }

    /// Finds what is wrong with the prompts before the weights are read.
    private convenience init(
        study: Study, folder: ModelFolder, dataSet: LatentDataSet, modelDigest: String? = nil, isCancelled: () -> Bool
    ) throws {
        let encoder = try PromptEncoder(tokenizer: folder.tokenizer(), configuration: folder.textEncoderConfiguration())
        _ = try StudyPrompts(study, captions: dataSet.captions, encoder: encoder)
        if isCancelled() { throw InversionError(.cancelled, "stopped while the model was being read") }
        try self.init(
            study: study, model: LoadedModel(folder, study.training.precision.ofProducts(), digest: modelDigest), dataSet: dataSet)
    }

    /// A study made ready with a model and latents that are in memory already: what trials of one study share.
    package init(study: Study, model loaded: LoadedModel, dataSet: LatentDataSet) throws {
        guard study.search == nil else { throw InversionError(.input, "study \(study.name): a session is for one trial, not for a search") }
        self.study = study
        self.loaded = loaded
        self.dataSet = dataSet
        course = try TrainingCourse(study)
        try dataSet.check(fits: study, model: loaded.model)
        let prompts = try StudyPrompts(study, captions: dataSet.captions, encoder: loaded.encoder)
        self.prompts = prompts.training
        initialVectors = try Initializer.vectors(
            study.pseudoword.initialization, count: study.pseudoword.vectors, tokenizer: loaded.encoder.tokenizer,
            embedding: loaded.model.textEncoder.embedding,
            draws: RandomDraws(seed: study.training.seed, stream: .initialization))
        let judged = prompts.evaluation
        evaluationSet = EvaluationSet(
            dataSet: dataSet, model: loaded.model, samples: study.evaluation.samples, microbatch: max(1, study.training.microbatch),
            seed: study.training.seed, usesMean: (study.evaluation.latents ?? study.data.latents) == .mean
        ) { sample, picture in judged[picture][sample / judged.count % judged[picture].count] }
    }

    /// A trial before its first step.
    package func initialState() -> TrainingState {
        TrainingState(rows: study.pseudoword.vectors, width: width, initial: initialVectors.values)
    }

    /// Refuses what was computed if a file of the model was written meanwhile.
    package func checkModel() throws { try loaded.checkFiles() }
}
