// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelFiles
import StableDiffusion
import Studies
import Tensors
import Testing

@testable import TextualInversion

@Suite struct InitializerTests {
    private let tokenizer: CLIPTokenizer
    private let embedding: Embedding
    private let width = 16

    init() throws {
        let folder = try InversionFixtures.tiny
        tokenizer = try folder.tokenizer()
        embedding = try folder.textEncoder().embedding
    }

    private func vectors(_ initialization: Initialization, _ count: Int, seed: UInt64 = 1) throws -> Tensor {
        try Initializer.vectors(
            initialization, count: count, tokenizer: tokenizer, embedding: embedding,
            draws: RandomDraws(seed: seed, stream: .initialization))
    }

    private func row(_ id: Int) -> [Float] { Array(embedding.table.widened().values[id * width..<(id + 1) * width]) }

    /// Text of L tokens, V vectors, and the token of each vector.
    @Test(arguments: [
        ("red", 1, [0]), ("red", 3, [0, 0, 0]), ("red dog", 5, [0, 0, 0, 1, 1]), ("red dog", 2, [0, 1]), ("red dog top", 2, [0, 1]),
        ("a red dog top", 2, [0, 2]), ("a red dog top", 1, [0]), ("a red dog top cute", 3, [0, 1, 3]), ("*", 2, [0, 0]),
    ])
    func textIsSpreadEvenly(_ text: String, _ count: Int, _ places: [Int]) throws {
        let tokens = tokenizer.encode(text)
        #expect(tokens.count == text.split(separator: " ").count)
        let result = try vectors(.text(text), count)
        #expect(result.shape == [count, width])
        #expect(result.values == places.flatMap { row(tokens[$0]) })
    }

    @Test func startAndEndArePartOfNoText() throws {
        #expect(try vectors(.text("dog"), 1).values == row(tokenizer.encode("dog")[0]))
        #expect(!tokenizer.encode("dog").contains(tokenizer.startOfText))
    }

    @Test(arguments: ["", " ", "\t\n"]) func emptyTextIsRefused(_ text: String) {
        #expect(refusal(.input) { try vectors(.text(text), 1) }.contains("no tokens"))
    }

    @Test func zerosAreZeros() throws {
        #expect(try vectors(.zeros, 3).values == Array(repeating: 0, count: 48))
    }

    @Test func randomIsDeterministicAndAsLargeAsTheTable() throws {
        let first = try vectors(.random, 75)
        #expect(try vectors(.random, 75).values == first.values)
        #expect(try vectors(.random, 75, seed: 2).values != first.values)
        #expect(Set(first.values).count > 1000)
        func size(_ values: [Float]) -> Double { GradientClipping.norm(values) / Double(values.count).squareRoot() }
        #expect(abs(size(first.values) / size(embedding.table.widened().values) - 1) < 0.06)
        // More vectors go on where fewer ended.
        #expect(try vectors(.random, 2).values == Array(first.values.prefix(32)))
    }

    @Test func fileGivesItsVectors() throws {
        let folder = try TemporaryFolder()
        let values = (0..<32).map { Float($0) / 7 }
        let file = EmbeddingFile(name: "other", rows: 2, width: width, values: values)
        for (name, write) in [("e.pt", file.writeAutomatic1111), ("e.safetensors", { try file.writeSafeTensors(to: $0) })]
            as [(String, (String) throws -> Void)]
        {
            try write(folder.file(name))
            #expect(try vectors(.file(folder.file(name)), 2).values == values)
            let line = refusal(.input) { try vectors(.file(folder.file(name)), 3) }
            #expect(
                line.contains(folder.file(name)) && line.contains("2 vectors") && line.contains("3") && line.contains("pseudoword.vectors"))
        }
    }

    @Test func fileOfAnotherWidthIsRefused() throws {
        let folder = try TemporaryFolder()
        try EmbeddingFile(rows: 2, width: 24, values: Array(repeating: 1, count: 48)).writeAutomatic1111(to: folder.file("wide.pt"))
        let line = refusal(.input) { try vectors(.file(folder.file("wide.pt")), 2) }
        #expect(line.contains("wide.pt") && line.contains("24") && line.contains("16"))
    }

    @Test func fileWithTooManyVectorsIsRefused() throws {
        let folder = try TemporaryFolder()
        try EmbeddingFile(rows: 76, width: width, values: Array(repeating: 1, count: 76 * 16)).writeAutomatic1111(
            to: folder.file("many.pt"))
        #expect(refusal(.input) { try vectors(.file(folder.file("many.pt")), 75) }.contains("76"))
    }

    @Test func missingAndBrokenFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        try folder.write("no embedding", to: "broken.pt")
        for name in ["none.pt", "broken.pt"] {
            let error = #expect(throws: ModelFileError.self) { try vectors(.file(folder.file(name)), 1) }
            #expect(error?.description.contains(name) == true)
        }
    }

    @Test func sessionStartsThere() throws {
        let session = try InversionFixtures.tinySession { $0.pseudoword.initialization = .text("red dog") }
        let state = session.initialState()
        #expect(state.rows == 3 && state.width == 16 && state.step == 0 && state.best == nil)
        #expect(try state.vectors == vectors(.text("red dog"), 3).values && state.initial == state.vectors)
        #expect(state.exponentialAverage == Array(repeating: 0, count: 48) && state.exponentialAverageOfSquares == state.exponentialAverage)
    }
}
