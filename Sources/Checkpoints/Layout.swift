// SPDX-License-Identifier: Apache-2.0

/// The names in a checkpoint file.
///
/// They are a promise to everyone who reads the files with h5py: they change only with the version.
enum Layout {
    static let format = "pseudoword-checkpoint"
    /// The version that is written.
    ///
    /// All versions from 1 up to it are read.
    static let version: Int64 = 1

    enum Root {
        static let format = "format"
        static let version = "version"
        static let study = "study"
        static let trial = "trial"
        static let program = "program"
        static let cpu = "cpu"
    }

    /// `vectors` [V, D], or `clip_l` [V, L] and `clip_g` [V, D - L]; all others are [V, D] with CLIP-L's columns first.
    enum Embedding {
        static let group = "embedding"
        static let vectors = "vectors"
        static let clipL = "clip_l"
        static let clipG = "clip_g"
        static let initial = "initial"
        static let best = "best"
        static let bestStep = "best_step"
    }

    enum Optimizer {
        static let group = "optimizer"
        static let exponentialAverage = "exp_avg"
        static let exponentialAverageOfSquares = "exp_avg_sq"
        static let step = "step"
    }

    enum History {
        static let group = "history"
        static let step = "step"
        static let loss = "loss"
        static let learningRate = "learning_rate"
        static let gradientNorm = "gradient_norm"
        static let embeddingNorm = "embedding_norm"
        static let seconds = "seconds"
    }

    enum Evaluation {
        static let group = "evaluation"
        static let step = "step"
        static let loss = "loss"
        static let standardError = "standard_error"
    }

    enum Snapshots {
        static let group = "snapshots"
        static let step = "step"
        static let vectors = "vectors"
    }

    enum Study {
        static let group = "study"
        static let text = "text"
        static let hyperparameters = "hyperparameters"
        static let modelDigest = "model_sha256"
        static let dataDigest = "data_sha256"
    }

    /// The longest study file or hyperparameter text that is stored.
    static let maximumTextBytes = 16 << 20
    /// The largest checkpoint that is read or written.
    static let maximumFileBytes = 1 << 30
}
