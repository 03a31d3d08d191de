// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import TextualInversion

/// A study for trainers that only pretend.
struct FakeStudy: Sendable {
    var name = "teal-heart"
    var steps = 60
    /// Steps between checkpoints, and between evaluations.
    var every = 10
    var batch = 4
    var microbatch = 2
    var evaluationSamples = 6
    /// The samples of a step are shared out.
    var sharesSteps = false
    /// Lines put at the end of the file.
    var more = ""

    init() {}

    init(_ change: (inout FakeStudy) -> Void) { change(&self) }

    var yaml: String {
        """
        study: \(name)
        model: starter
        pseudoword: {name: teal-heart, vectors: 2, init: {text: circle}}
        data: {pictures: pictures, resolution: 128}
        training: {steps: \(steps), batch: \(batch), microbatch: \(microbatch), learning_rate: "1e-2"}
        evaluate: {every: \(every), samples: \(evaluationSamples)}
        checkpoint: {every: \(every)}
        parallel: \(sharesSteps ? "data" : "trials")
        \(more)
        """
    }

    /// The settings of one trial, as workers get them.
    func settings(trial: Int = 0) throws -> Study {
        try Study.parse(yaml: yaml, source: "study.yaml").resolvingPaths(against: "/tmp").trial(trial)
    }

    /// Nine trials, most of which learn too fast or too slowly.
    static let sweep = FakeStudy {
        ($0.name, $0.steps, $0.every) = ("sweep", 20, 5)
        $0.more = """
            search:
              method: grid
              parameters:
                training.learning_rate: {choice: ["1e-3", "1e-2", "3e-2"]}
                training.batch: {choice: [2, 4, 6]}
            """
    }
}
