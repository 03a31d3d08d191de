// SPDX-License-Identifier: Apache-2.0
import Pictures
import StableDiffusion
import Studies
import Tensors
import Testing

@testable import TextualInversion

@Suite struct GenerationTests {
    private let generator: PictureGenerator
    private var settings = PictureGenerator.Settings()
    private let word = PseudoWord(name: "odd-thing", vectors: Tensor((0..<32).map { Float($0 % 7) - 3 }, shape: [2, 16]))

    init() throws {
        generator = try PictureGenerator(InversionFixtures.tiny)
        settings.steps = 3
    }

    @Test func pictureDependsOnPromptWordSeedAndNumber() throws {
        let first = try generator.generate("a [name]", word: word, settings: settings)
        #expect(first.width == 32 && first.height == 32)
        #expect(try generator.generate("a [name]", word: word, settings: settings) == first)
        #expect(try generator.generate("a <odd-thing>", word: word, settings: settings) == first)
        var other = settings
        other.seed = 1
        let others = try [
            generator.generate("a [name]", word: nil, settings: settings), generator.generate("a cat", word: word, settings: settings),
            generator.generate("a [name]", word: word, settings: settings, number: 1),
            generator.generate("a [name]", word: word, settings: other),
        ]
        #expect(others.allSatisfy { $0 != first })
    }

    @Test func sizeIsWidthByHeight() throws {
        var settings = settings
        settings.size = PictureSize(width: 48, height: 24)
        let picture = try generator.generate("a cat", word: nil, settings: settings)
        #expect(picture.width == 48 && picture.height == 24)
    }

    @Test(arguments: [(33, 32), (0, 32), (32, -8), (4104, 32)]) func impossibleSizesAreRefused(_ width: Int, _ height: Int) {
        var settings = settings
        settings.size = PictureSize(width: width, height: height)
        #expect(refusal(.input) { try generator.generate("a", word: nil, settings: settings) }.contains("\(width) x \(height)"))
    }

    @Test(arguments: [0, -1, 1001]) func impossibleStepsAreRefused(_ steps: Int) {
        var settings = settings
        settings.steps = steps
        #expect(refusal(.input) { try generator.generate("a", word: nil, settings: settings) }.contains("\(steps)"))
    }

    @Test func promptsThatCannotBeUsedAreRefused() {
        refusal(.prompt) { try generator.generate(String(repeating: "cat ", count: 76), word: nil, settings: settings) }
        let broken = PseudoWord(name: "odd-thing", vectors: Tensor(Array(repeating: .infinity, count: 16), shape: [1, 16]))
        refusal(.numeric) { try generator.generate("a [name]", word: broken, settings: settings) }
    }
}
