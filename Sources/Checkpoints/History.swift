// SPDX-License-Identifier: Apache-2.0

/// What happened at each step, as parallel columns in the order in which rows were appended.
///
/// The loss, the learning rate and the seconds keep 64 bits, as they were computed; the norms are read by people and keep 32.
package struct History: Equatable, Sendable {
    package private(set) var step: [Int] = []
    package private(set) var loss: [Double] = []
    package private(set) var learningRate: [Double] = []
    package private(set) var gradientNorm: [Float] = []
    package private(set) var embeddingNorm: [Float] = []
    /// Wall-clock time that the step took.
    ///
    /// The one column that differs between runs of the same study: whoever compares the files of two runs byte for byte appends 0.
    package private(set) var seconds: [Double] = []

    package init() {}

    /// Takes whole columns, which must be equally long.
    package init(step: [Int], loss: [Double], learningRate: [Double], gradientNorm: [Float], embeddingNorm: [Float], seconds: [Double]) {
        let counts = [loss.count, learningRate.count, gradientNorm.count, embeddingNorm.count, seconds.count]
        precondition(counts.allSatisfy { $0 == step.count }, "the columns of a history differ in length")
        self.step = step
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.embeddingNorm = embeddingNorm
        self.seconds = seconds
    }

    /// The number of rows.
    package var count: Int { step.count }

    package mutating func append(
        step: Int, loss: Double, learningRate: Double, gradientNorm: Float, embeddingNorm: Float, seconds: Double
    ) {
        self.step.append(step)
        self.loss.append(loss)
        self.learningRate.append(learningRate)
        self.gradientNorm.append(gradientNorm)
        self.embeddingNorm.append(embeddingNorm)
        self.seconds.append(seconds)
    }
}

/// The evaluation loss with its standard error, as parallel columns.
package struct Evaluations: Equatable, Sendable {
    package private(set) var step: [Int] = []
    package private(set) var loss: [Double] = []
    package private(set) var standardError: [Double] = []

    package init() {}

    /// Takes whole columns, which must be equally long.
    package init(step: [Int], loss: [Double], standardError: [Double]) {
        precondition(loss.count == step.count && standardError.count == step.count, "the columns of the evaluations differ in length")
        self.step = step
        self.loss = loss
        self.standardError = standardError
    }

    /// The number of rows.
    package var count: Int { step.count }

    package mutating func append(step: Int, loss: Double, standardError: Double) {
        self.step.append(step)
        self.loss.append(loss)
        self.standardError.append(standardError)
    }
}
