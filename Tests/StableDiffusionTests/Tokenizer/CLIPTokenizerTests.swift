// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelFiles
import Testing

@testable import StableDiffusion

private let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/tokenizer")

@Suite struct CLIPTokenizerTests {
    /// Opens a fixture's tokenizer: a folder of its own, or a variant's configuration laid beside a base vocabulary.
    private func tokenizer(_ name: String, base: String) throws -> CLIPTokenizer {
        if name == base { return try CLIPTokenizer(folder: fixtures.appending(path: name).path) }
        return try withFolder(from: fixtures.appending(path: base)) { folder in
            let variant = fixtures.appending(path: "variants/\(name)")
            for file in try FileManager.default.contentsOfDirectory(atPath: variant.path) {
                try FileManager.default.copyItem(at: variant.appending(path: file), to: folder.appending(path: file))
            }
            return try CLIPTokenizer(folder: folder.path)
        }
    }

    private func withFolder<Result>(from source: URL, _ body: (URL) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tokenizer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for file in ["vocab.json", "merges.txt"] {
            try FileManager.default.copyItem(at: source.appending(path: file), to: folder.appending(path: file))
        }
        return try body(folder)
    }

    private func integers(_ value: JSONValue?) throws -> [Int] {
        guard case .array(let elements)? = value else { throw ModelFileError(.malformed, "not an array") }
        return elements.compactMap(\.integer)
    }

    private func elements(_ value: JSONValue?) throws -> [JSONValue] {
        guard case .array(let elements)? = value else { throw ModelFileError(.malformed, "not an array") }
        return elements
    }

    @Test(arguments: ["starter", "varied", "strings", "objects", "padding", "decoder", "extra", "bare"])
    func idsAreThoseOfTransformers(_ name: String) throws {
        let file = try JSONValue(path: fixtures.appending(path: "prompts.json").path)
        let prompts = try elements(file["prompts"]).compactMap(\.text)
        #expect(prompts.count >= 300)
        let fixture = try #require(try elements(file["cases"]).first { $0["name"]?.text == name })
        let tokenizer = try tokenizer(name, base: #require(fixture["base"]?.text))
        #expect(tokenizer.startOfText == fixture["start"]?.integer)
        #expect(tokenizer.endOfText == fixture["end"]?.integer)
        #expect(tokenizer.padding == fixture["padding"]?.integer)
        #expect(tokenizer.vocabularyCount == fixture["count"]?.integer)
        let rows = try elements(fixture["ids"])
        #expect(rows.count == prompts.count)
        for (prompt, row) in zip(prompts, rows) {
            #expect(try tokenizer.encode(prompt) == integers(row), "\(prompt.debugDescription)")
        }
        if case .array(let decoded)? = fixture["decoded"] {
            for (row, text) in zip(rows, decoded) {
                let ours = try tokenizer.decode(integers(row))
                #expect(Array(ours.utf8) == text.text.map { Array($0.utf8) }, "\(ours.debugDescription)")
            }
        }
    }

    @Test func tokensAreSpelledAsInTheVocabulary() throws {
        let tokenizer = try tokenizer("starter", base: "starter")
        #expect(tokenizer.tokens(for: tokenizer.encode("a photo!") + [-1, 1 << 40]) == ["a</w>", "photo</w>", "!</w>", nil, nil])
    }

    @Test func aMegabyteWithoutASpaceIsTokenized() throws {
        let tokenizer = try tokenizer("starter", base: "starter")
        let ids = tokenizer.encode(String(repeating: "thering", count: 15_000))
        #expect(ids.count > 15_000)
    }

    @Test func everyScalarIsTokenizedWithoutLoss() throws {
        let tokenizer = try tokenizer("varied", base: "varied")
        for value in stride(from: UInt32(1), to: 0x11_0000, by: 211) {
            guard let scalar = Unicode.Scalar(value), !scalar.properties.isWhitespace else { continue }
            let expected = String(scalar).precomposedStringWithCanonicalMapping.unicodeScalars.map(\.properties.lowercaseMapping).joined()
            let decoded = tokenizer.decode(tokenizer.encode(String(scalar))).filter { $0 != " " }
            #expect(decoded == expected)
        }
    }

    @Test func missingFilesAreNamed() throws {
        let error = #expect(throws: ModelFileError.self) { try CLIPTokenizer(folder: "/nowhere") }
        #expect(error?.description == "/nowhere/vocab.json: cannot open the file: No such file or directory")
    }

    @Test(arguments: [
        ("vocab.json", "[]", "is not an object"), ("vocab.json", "{}", "is not an object"), ("vocab.json", "{", "JSON"),
        ("vocab.json", #"{"a": -1}"#, "no id"), ("vocab.json", #"{"a": 1e3}"#, "no id"), ("vocab.json", #"{"a": 99999999999}"#, "no id"),
        ("vocab.json", #"{"a": 0, "b": 0}"#, "of another token"), ("vocab.json", #"{"a": 0}"#, "line 2"),
        ("merges.txt", "#version: 0.2\na\n", "line 2"), ("merges.txt", "a b c\n", "line 1"), ("merges.txt", "zz qq\n", "line 1"),
        ("tokenizer_config.json", "{", "JSON"), ("tokenizer_config.json", #"{"bos_token": 1}"#, "special token"),
        ("tokenizer_config.json", #"{"bos_token": {"content": "<|startoftext|>", "single_word": true}}"#, "single_word"),
        ("special_tokens_map.json", #"{"unk_token": "<nothing>"}"#, "unknown token"),
    ])
    func malformedFilesAreRefusedWithTheReason(_ file: String, _ content: String, _ complaint: String) throws {
        try withFolder(from: fixtures.appending(path: "starter")) { folder in
            try Data(content.utf8).write(to: folder.appending(path: file))
            let error = #expect(throws: ModelFileError.self) { try CLIPTokenizer(folder: folder.path) }
            #expect(error?.description.contains(complaint) == true, "\(error?.description ?? "")")
            #expect(error?.path.hasPrefix(folder.path) == true)
        }
    }
}
