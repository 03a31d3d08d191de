// SPDX-License-Identifier: Apache-2.0
import Foundation
import StableDiffusion
import Studies
import Testing

@testable import TextualInversion

/// What a study and its model bring to a session: prompts, checks and digests.
@Suite struct StudyTests {
    private func session(templates: String, _ change: (inout Study) -> Void = { _ in }) throws -> InversionSession {
        let folder = try TemporaryFolder()
        try folder.write(templates, to: "t.txt")
        return try InversionFixtures.tinySession {
            $0.data.templates = .file(folder.file("t.txt"))
            change(&$0)
        }
    }

    @Test func captionsStandInPrompts() throws {
        let session = try session(templates: "a [name], [filewords]\n[filewords] and [name]\n")
        let tokenizer = try InversionFixtures.tiny.tokenizer()
        let rows = [724, 725, 726]
        func starts(_ picture: Int, _ template: Int, with ids: [Int]) -> Bool {
            let prompt = session.prompts[picture][template]
            let expected = [tokenizer.startOfText] + ids + [tokenizer.endOfText]
            return prompt == expected + Array(repeating: tokenizer.padding, count: 77 - expected.count)
        }
        #expect(session.prompts.count == 5 && session.prompts.allSatisfy { $0.count == 2 })
        #expect(starts(0, 0, with: tokenizer.encode("a") + rows + tokenizer.encode(", red box")))
        #expect(starts(1, 0, with: tokenizer.encode("a") + rows + tokenizer.encode(", a green cross, small")))
        #expect(starts(0, 1, with: tokenizer.encode("red box and") + rows))
        // A caption may say where the word stands.
        #expect(starts(4, 1, with: tokenizer.encode("the") + rows + tokenizer.encode("and a cat and") + rows))
    }

    @Test func builtInTemplatesSuitTheWord() throws {
        for templates in [Templates.subject, .style, .subjectCaptions, .styleCaptions] {
            let session = try InversionFixtures.tinySession { $0.data.templates = templates }
            #expect(session.prompts.allSatisfy { $0.allSatisfy { $0.contains(724) && $0.count == 77 } })
        }
    }

    @Test func promptThatDoesNotFitNamesItsPicture() throws {
        let line = refusal(.prompt) { try session(templates: "[name], [filewords]") { $0.pseudoword.vectors = 73 } }
        #expect(line.contains("01-red_box.png") && line.contains("red box") && line.contains("77"))
    }

    @Test func checkFindsWhatASessionWould() throws {
        func check(_ change: (inout Study) -> Void) throws -> Int {
            try StudyCheck.check(InversionFixtures.tinyStudy(change), folder: InversionFixtures.tiny)
        }
        #expect(try check { _ in } == 5)
        #expect(refusal(.prompt) { try check { $0.pseudoword.name = "heart" } }.contains("heart"))
        refusal(.prompt) { try check { $0.pseudoword.vectors = 75 } }
        #expect(throws: (any Error).self) { try check { $0.data.pictures = InversionFixtures.path("none") } }
        #expect(throws: StudyError.self) { try check { $0.data.templates = .file(InversionFixtures.path("none.txt")) } }
        #expect(throws: StudyError.self) { try check { $0.training.learningRate = .grammar("fast") } }
    }

    @Test func checkFindsDamagedWeights() throws {
        let folder = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
        for part in ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"] {
            let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + part + ".safetensors"))
            #expect(try StudyCheck.check(InversionFixtures.tinyStudy(), folder: ModelFolder(path: folder.path)) == 5)
            for damaged in [Data("broken".utf8), whole.dropLast(1000)] {
                try damaged.write(to: URL(fileURLWithPath: folder.path + "/" + part + ".safetensors"))
                #expect(throws: (any Error).self) {
                    try StudyCheck.check(InversionFixtures.tinyStudy(), folder: ModelFolder(path: folder.path))
                }
                #expect(throws: (any Error).self) {
                    try InversionSession(study: InversionFixtures.tinyStudy(), folder: ModelFolder(path: folder.path))
                }
            }
            try whole.write(to: URL(fileURLWithPath: folder.path + "/" + part + ".safetensors"))
        }
    }

    @Test func modelDigestIsOfItsFiles() throws {
        let original = try ModelDigest.digest(of: InversionFixtures.tiny)
        #expect(try InversionFixtures.shared.get().modelDigest == original)
        let files = [
            "unet/diffusion_pytorch_model.safetensors", "vae/config.json", "text_encoder/model.safetensors", "tokenizer/merges.txt",
            "scheduler/scheduler_config.json",
        ]
        for file in files {
            let folder = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
            #expect(try ModelDigest.digest(of: ModelFolder(path: folder.path)) == original, "wherever it is")
            var data = try Data(contentsOf: URL(fileURLWithPath: folder.file(file)))
            data[data.count - 1] ^= 1
            try data.write(to: URL(fileURLWithPath: folder.file(file)))
            #expect(try ModelDigest.digest(of: ModelFolder(path: folder.path)) != original, "\(file)")
        }
    }

    @Test func sessionOfAnotherModelIsRefused() throws {
        // The prompt's width comes from the text encoder, so a file of the starter's width does not fit.
        let folder = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
        let text = try String(contentsOfFile: folder.file("unet/config.json"), encoding: .utf8)
        #expect(text.contains("\"cross_attention_dim\": 16"))
        try folder.write(
            text.replacingOccurrences(of: "\"cross_attention_dim\": 16", with: "\"cross_attention_dim\": 24"), to: "unet/config.json")
        #expect(throws: ModelError.self) {
            try InversionSession(study: InversionFixtures.tinyStudy(), folder: ModelFolder(path: folder.path))
        }
    }
}
