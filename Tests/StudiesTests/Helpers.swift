// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import Testing

/// The smallest study.
let smallest = """
    study: s
    model: starter
    pseudoword: {name: w}
    data: {pictures: p}

    """

/// A study that says everything.
let complete = """
    study: teal-heart
    model: models/tiny
    pseudoword: {name: teal.heart_2, vectors: 3, init: {text: "a \\"heart\\" \\u2028 é 心"}}
    data:
      pictures: ./pictures/
      resolution: [512, 384]
      flip: 0.25
      templates: prompts/mine.txt
      latents: once
    training:
      steps: 700
      batch: 6
      microbatch: 4
      learning_rate: "0.005:500, 1e-3"
      optimizer: {name: adamw, betas: [0.8, 0.99], weight_decay: 0.01, epsilon: 1e-6}
      clip_gradient: {value: "0.1:500, 0.05"}
      precision: f32
      seed: 18446744073709551615
    evaluate: {every: 25, samples: 16}
    checkpoint: {every: 10}
    parallel: trials

    """

/// The one line that a study's text is refused with.
func refusal(_ yaml: String, sourceLocation: SourceLocation = #_sourceLocation) -> String {
    let error = #expect(throws: StudyError.self, sourceLocation: sourceLocation) { try Study.parse(yaml: yaml, source: "s.yaml") }
    let line = error?.description ?? "nothing was thrown"
    #expect(!line.contains { $0.isNewline }, sourceLocation: sourceLocation)
    return line
}

func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "studies-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
}

/// A small seeded generator, so that a failing random case can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
