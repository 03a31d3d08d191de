// SPDX-License-Identifier: Apache-2.0

/// What a user submits: a model, pictures and settings, checked and complete.
///
/// As JSON (`Codable`, `canonicalJSON()`) it has the keys and shapes of the study file.
package struct Study: Equatable, Sendable {
    /// 1 to 64 ASCII letters, digits, dots, underscores and hyphens, no dot first, so that it is also a file name.
    package var name: String
    /// `starter`, a diffusers folder or a single-file checkpoint.
    package var model: String
    package var pseudoword: PseudowordSettings
    package var data: DataSettings
    package var training = TrainingSettings()
    package var evaluation = EvaluationSettings()
    /// Steps between checkpoints.
    package var checkpointEvery = 50
    /// Pictures to look at on the way; nil for none.
    package var preview: PreviewSettings?
    package var parallel = ParallelMode.trials
    package var determinism = DeterminismMode.sameClass
    /// Nil: the study is one trial with these settings.
    package var search: SearchSettings?

    /// The name of the bundled model, which is no path.
    package static let starterModel = "starter"

    package init(name: String, model: String, pseudoword: PseudowordSettings, data: DataSettings) {
        self.name = name
        self.model = model
        self.pseudoword = pseudoword
        self.data = data
    }
}

package struct PseudowordSettings: Equatable, Sendable {
    /// 1 to 64 ASCII letters, digits, dots, underscores and hyphens.
    package var name: String
    /// 1 to 75: a prompt's chunk has 77 places, two of them for its ends.
    package var vectors = 1
    package var initialization = Initialization.text("*")

    package init(name: String) { self.name = name }
}

/// Where the vectors start.
package enum Initialization: Equatable, Sendable {
    /// The token embeddings of a text.
    case text(String)
    case zeros
    case random
    /// An embedding file.
    case file(String)
}

package struct DataSettings: Equatable, Sendable {
    /// A folder.
    package var pictures: String
    /// Nil: what the model was trained for.
    package var resolution: PictureSize?
    /// Chance that a picture is mirrored, 0 to 1.
    package var flip = 0.5
    package var templates = Templates.subject
    package var latents = LatentDraw.sample

    package init(pictures: String) { self.pictures = pictures }
}

/// Width and height in pixels, both multiples of 8.
package struct PictureSize: Equatable, Hashable, Sendable {
    package var width: Int
    package var height: Int

    package init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}

package enum Templates: Equatable, Sendable {
    case subject, style, subjectCaptions, styleCaptions
    /// A text file, one prompt a line.
    case file(String)
}

/// What the autoencoder's distribution gives a step.
package enum LatentDraw: String, CaseIterable, Equatable, Sendable {
    /// A new draw each time.
    case sample
    case mean
    /// One draw a picture, kept for ever.
    case once
}

package struct TrainingSettings: Equatable, Sendable {
    package var steps = 1000
    package var batch = 4
    /// Samples computed in one pass, at most `batch`; the last pass of a step is smaller when it does not divide the batch.
    package var microbatch = 2
    package var learningRate = LearningRate.grammar("0.005")
    package var optimizer = OptimizerSettings()
    package var clipGradient = GradientClip.norm("1.0")
    package var precision = Precision.f32
    package var seed: UInt64 = 0

    package init() {}
}

package enum LearningRate: Equatable, Sendable {
    /// AUTOMATIC1111's text, `0.005:500, 1e-3`.
    case grammar(String)
    case constant(base: Double, warmup: Int)
    case cosine(base: Double, warmup: Int)
}

/// AdamW's settings.
package struct OptimizerSettings: Equatable, Sendable {
    package var beta1 = 0.9
    package var beta2 = 0.999
    package var weightDecay = 0.0
    package var epsilon = 1e-8

    package init() {}
}

/// How a step's gradient is limited; the limit is a number or a schedule in the learning rate's grammar.
package enum GradientClip: Equatable, Sendable {
    case none
    /// Scales the gradient of all vectors together down to this L2 norm.
    case norm(String)
    /// Limits each value to plus and minus this.
    case value(String)
}

/// How products multiply; sums, norms, loss and the optimizer are always f32.
package enum Precision: String, Equatable, Sendable, CaseIterable {
    case f32, bf16
    /// bf16 on processors that have instructions for it, otherwise f32.
    case auto
}

package struct EvaluationSettings: Equatable, Sendable {
    /// Steps between evaluations.
    package var every = 50
    package var samples = 32
    /// The prompts to judge with; nil: those of the training.
    ///
    /// A search over templates sets it in its trials, so that all are judged alike.
    package var templates: Templates?
    /// Whether the evaluation takes the mean of the latents or a fixed draw; nil: as the training does.
    package var latents: LatentDraw?

    package init() {}
}

/// Pictures rendered now and then from the current vectors.
package struct PreviewSettings: Equatable, Sendable {
    /// Steps between pictures.
    package var every: Int
    package var prompt = "a photo of [name]"

    package init(every: Int) { self.every = every }
}

/// What workers share.
package enum ParallelMode: String, CaseIterable, Equatable, Sendable {
    /// Each trial runs on one worker at a time.
    case trials
    /// Each step's samples are spread over workers.
    case data
}

/// Which machines may take turns in one trial.
package enum DeterminismMode: String, CaseIterable, Equatable, Sendable {
    /// Only those that compute the same bits.
    case sameClass = "class"
    /// Any: the result then depends on who computed what.
    case mixed
}
