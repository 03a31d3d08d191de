// SPDX-License-Identifier: Apache-2.0

/// A study of the starter model that is trained within seconds.
package struct StudyText: Sendable {
    package var name = "tiny"
    package var model = "starter"
    package var word = "teal-heart"
    package var initialization = "{text: heart}"
    package var pictures = SourceTree.starterPictures
    package var resolution = 64
    package var steps = 40
    package var every = 10
    /// Lines put at the end of the file.
    package var more = ""

    package init() {}

    package init(_ change: (inout StudyText) -> Void) { change(&self) }

    package var yaml: String {
        """
        study: \(name)
        model: \(model)
        pseudoword: {name: \(word), vectors: 2, init: \(initialization)}
        data: {pictures: \(pictures), resolution: \(resolution)}
        training: {steps: \(steps), batch: 2, microbatch: 1, learning_rate: "0.005"}
        evaluate: {every: \(every), samples: 2}
        checkpoint: {every: \(every)}
        \(more)
        """
    }
}
