// SPDX-License-Identifier: Apache-2.0
import Foundation
import Studies
import Testing

@testable import TextualInversion

extension Tag {
    /// Takes more than a few seconds.
    @Tag static var slow: Self
}

/// The point of it all: a word learned from pictures that the model never saw.
@Suite struct RecoveryTests {
    @Test(.tags(.slow)) func starterModelLearnsItsPictures() throws {
        var study = Study(
            name: "teal-heart", model: Study.starterModel, pseudoword: PseudowordSettings(name: "teal-heart"),
            data: DataSettings(pictures: InversionFixtures.root.appendingPathComponent("Sources/StarterModel/pictures/teal-heart").path))
        (study.pseudoword.vectors, study.pseudoword.initialization) = (2, .text("circle"))
        (study.training.steps, study.training.learningRate) = (150, .grammar("1e-2"))
        study.evaluation.every = 150
        let session = try InversionSession(study: study, folder: InversionFixtures.starter)
        let segment = try session.train(session.initialState(), trial: 0, until: 150)
        let (first, last) = (try #require(segment.evaluations.first), try #require(segment.evaluations.last))
        #expect(first.step == 0 && last.step == 150)
        #expect(last.loss < 0.7 * first.loss, "\(first.loss) before, \(last.loss) after")
        #expect(segment.state.bestStep == 150)
    }
}
