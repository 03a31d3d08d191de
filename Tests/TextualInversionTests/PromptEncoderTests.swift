// SPDX-License-Identifier: Apache-2.0
import Foundation
import StableDiffusion
import Testing

@testable import TextualInversion

@Suite struct PromptEncoderTests {
    private let encoder: PromptEncoder
    private let tokenizer: CLIPTokenizer

    init() throws {
        let folder = try InversionFixtures.starter
        tokenizer = try folder.tokenizer()
        encoder = try PromptEncoder(tokenizer: tokenizer, configuration: folder.textEncoderConfiguration())
    }

    /// The ids of plain pieces with the word's rows between them, filled up to the window.
    private func window(_ pieces: [String], vectors: Int) -> [Int] {
        let rows = (0..<vectors).map { encoder.vocabularySize + $0 }
        let ids = [tokenizer.startOfText] + pieces.map { tokenizer.encode($0) }.joined(separator: rows) + [tokenizer.endOfText]
        return ids + Array(repeating: tokenizer.padding, count: 77 - ids.count)
    }

    private func encode(_ prompt: String, _ name: String = "teal-heart", vectors: Int = 2) throws -> [Int] {
        try encoder.encode(prompt, word: (name, vectors))
    }

    @Test func idsAreTheModels() throws {
        #expect(encoder.vocabularySize == 724 && encoder.windowLength == 77)
        let ids = try encode("a teal-heart", vectors: 3)
        #expect(ids.count == 77)
        #expect(ids[0] == 722 && ids[1] == tokenizer.encode("a")[0] && ids[2...4] == [724, 725, 726])
        #expect(ids[5...].allSatisfy { $0 == 723 })
    }

    @Test(arguments: [
        ("teal-heart on a table", ["", " on a table"]), ("a photo of a teal-heart on a table", ["a photo of a ", " on a table"]),
        ("a photo of a teal-heart", ["a photo of a ", ""]), ("teal-heart", ["", ""]),
        ("a <teal-heart> here", ["a ", " here"]), ("a [teal-heart] here", ["a ", " here"]), ("a [name] here", ["a ", " here"]),
        ("A TEAL-HEART here", ["a ", " here"]), ("a Teal-Heart here", ["a ", " here"]), ("a <TEAL-heart> here", ["a ", " here"]),
        ("a [NAME] here", ["a ", " here"]),
        ("a teal-heart, red", ["a ", ", red"]), ("a teal-heart.", ["a ", "."]), ("(teal-heart)", ["(", ")"]),
        ("a teal-heart's top", ["a ", "'s top"]),
        ("\"teal-heart\"", ["\"", "\""]), ("a teal-heart!", ["a ", "!"]), ("a/teal-heart/b", ["a/", "/b"]),
        ("a\tteal-heart\nb", ["a ", " b"]),
        ("teal-heart teal-heart", ["", " ", ""]), ("a teal-heart and a <teal-heart>, [name]", ["a ", " and a ", ", ", ""]),
        ("[name][name]", ["", "", ""]), ("<<teal-heart>>", ["<", ">"]), ("[teal-heart [name]", ["[", " ", ""]),
    ])
    func wordIsFound(_ prompt: String, _ pieces: [String]) throws {
        #expect(try encode(prompt) == window(pieces, vectors: 2))
    }

    @Test(arguments: [
        "a cat", "", "teal heart", "teal-hearts", "steal-heart", "a teal-heart2", "2teal-heart", "teal-hear", "éteal-heart", "teal-hearté",
        "teal- heart",
    ])
    func otherWordsAreNotTheWord(_ prompt: String) throws {
        let line = refusal(.prompt) { try encode(prompt) }
        #expect(line.contains("\"\(prompt)\"") && line.contains("teal-heart") && line.contains("[name]"))
        #expect(try encoder.encode(prompt, word: ("teal-heart", 2), requiresWord: false) == window([prompt], vectors: 2))
    }

    @Test func accentBelongsToItsLetter() throws {
        // "cafes" and "café", the accent as a scalar of its own, are other words than "cafe".
        refusal(.prompt) { try encode("a cafes", "cafe") }
        refusal(.prompt) { try encode("a cafe\u{301}", "cafe") }
    }

    @Test func promptWithoutWordIsPlain() throws {
        #expect(try encoder.encode("a teal-heart [name]") == window(["a teal-heart [name]"], vectors: 0))
        #expect(try encoder.encode("") == window([""], vectors: 0))
    }

    @Test func textAroundTheWordKeepsItsTokens() throws {
        // Cutting the word out must not glue its neighbours together.
        let ids = try encode("red teal-heart red", vectors: 1)
        let red = tokenizer.encode("red")
        #expect(red.count == 1)
        #expect(Array(ids[1...3]) == red + [724] + red)
    }

    @Test func windowIsFilledToTheLastPlace() throws {
        let red = "red "
        for vectors in [1, 5, 74] {
            let fitting = String(repeating: red, count: 75 - vectors) + "[name]"
            let ids = try encode(fitting, vectors: vectors)
            #expect(ids.count == 77 && ids[76] == tokenizer.endOfText && ids[75] == 724 + vectors - 1)
            let line = refusal(.prompt) { try encode(red + fitting, vectors: vectors) }
            #expect(line.contains((red + fitting).prefix(110)) && line.contains("78") && line.contains("77"))
        }
    }

    @Test func seventyFiveVectorsFillAWindow() throws {
        #expect(try encode("[name]", vectors: 75) == [722] + (724..<799) + [723])
        refusal(.prompt) { try encode("[name].", vectors: 75) }
        refusal(.prompt) { try encode("[name][name]", vectors: 38) }
        #expect(try encode("[name][name]", vectors: 37).count == 77)
    }

    @Test func longPlainPromptIsRefusedToo() throws {
        #expect(try encoder.encode(String(repeating: "red ", count: 75)).last == 723)
        let line = refusal(.prompt) { try encoder.encode(String(repeating: "red ", count: 76)) }
        #expect(line.contains("78"))
    }

    @Test func paddingIsTheTokenizers() throws {
        let folder = try InversionFixtures.tiny
        let tokenizer = try folder.tokenizer()
        let encoder = try PromptEncoder(tokenizer: tokenizer, configuration: folder.textEncoderConfiguration())
        let ids = try encoder.encode("a [name]", word: ("odd-thing", 2))
        #expect(tokenizer.padding == tokenizer.encode("!")[0] || tokenizer.tokens(for: [tokenizer.padding]) == ["!"])
        #expect(Array(ids[2...4]) == [724, 725, 723] && ids[5...].allSatisfy { $0 == tokenizer.padding } && tokenizer.padding != 723)
    }

    @Test(arguments: ["heart", "HEART", "red", "a", "circle", "Circle "]) func wordsOfTheModelAreRefused(_ name: String) {
        let line = refusal(.prompt) { try encoder.checkName(name) }
        #expect(line.contains("\"\(name)\"") && line.contains("already a token"))
    }

    @Test(arguments: ["", " ", "\n"]) func emptyNamesAreRefused(_ name: String) { refusal(.prompt) { try encoder.checkName(name) } }

    @Test(arguments: ["teal-heart", "sks2", "my-red", "x.y_z", "heart2", "éa"]) func newNamesAreAccepted(_ name: String) throws {
        try encoder.checkName(name)
    }

    @Test(arguments: ["a.c", "a+b", "(x)", "[x]", "x|y", "^x$", "\\d", "x*", "x?", "心の色", "größe", "ΣΑΣ", "naïve-œuvre", "🙂-word", "a b"])
    func namesAreTextAndNoPatterns(_ name: String) throws {
        for prompt in ["red \(name) red", "red <\(name)> red", "red [\(name)] red", "red [name] red", "red \(name.lowercased()), red"] {
            let ids = try encode(prompt, name, vectors: 1)
            #expect(ids.count { $0 == 724 } == 1, "\(prompt)")
            #expect(ids[1] == tokenizer.encode("red")[0] && ids[2] == 724, "\(prompt)")
        }
        refusal(.prompt) { try encode("red abc ddd xx xyz red", name) }
    }

    @Test func replacingPutsOtherTextThere() {
        #expect(
            PromptEncoder.replacing("odd-thing", in: "a <odd-thing> and an ODD-THING, odd-things", with: "cat")
                == "a cat and an cat, odd-things")
        #expect(PromptEncoder.replacing("odd-thing", in: "", with: "cat").isEmpty)
        #expect(PromptEncoder.replacing("odd-thing", in: "[name]", with: "").isEmpty)
    }

    @Test func longHostilePromptTakesNoTime() {
        let clock = ContinuousClock()
        let elapsed = clock.measure {
            refusal(.prompt) { try encode(String(repeating: "<teal-hear", count: 20_000)) }
        }
        #expect(elapsed < .seconds(10))
    }

    @Test func tokenizerMustFitTheTable() throws {
        let folder = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
        let file = folder.file("text_encoder/config.json")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.contains("\"vocab_size\": 724"))
        try folder.write(text.replacingOccurrences(of: "\"vocab_size\": 724", with: "\"vocab_size\": 700"), to: "text_encoder/config.json")
        let model = try ModelFolder(path: folder.path)
        let line = refusal(.input) { try PromptEncoder(tokenizer: model.tokenizer(), configuration: model.textEncoderConfiguration()) }
        #expect(line.contains("724") && line.contains("700"))
    }
}
