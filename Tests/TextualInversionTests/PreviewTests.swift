// SPDX-License-Identifier: Apache-2.0
import Foundation
import Pictures
import Studies
import Testing

@testable import TextualInversion

@Suite struct PreviewTests {
    private func session(_ prompt: String? = nil, _ change: (inout Study) -> Void = { _ in }) throws -> InversionSession {
        try InversionFixtures.tinySession {
            $0.preview = PreviewSettings(every: 5)
            if let prompt { $0.preview?.prompt = prompt }
            change(&$0)
        }
    }

    @Test func picturesAreAFunctionOfTheVectors() throws {
        let session = try session(), vectors = session.initialState().vectors
        let preview = try Preview(session, folder: InversionFixtures.tiny)
        let png = try preview.render(vectors)
        #expect(try preview.render(vectors) == png)
        #expect(try Preview(session, folder: InversionFixtures.tiny).render(vectors) == png)
        let other = try preview.render(vectors.map { -$0 })
        let folder = try TemporaryFolder()
        func picture(_ bytes: [UInt8]) throws -> Picture {
            try Data(bytes).write(to: URL(fileURLWithPath: folder.file("p.png")))
            return try Picture(path: folder.file("p.png"))
        }
        #expect(try picture(png).width == 32 && picture(png) != picture(other))
        // The picture that the generator gives.
        let word = PseudoWord(name: "odd-thing", vectors: try session.tensor(vectors))
        var settings = PictureGenerator.Settings()
        settings.seed = session.study.training.seed
        let generator = try PictureGenerator(InversionFixtures.tiny)
        #expect(try picture(png) == generator.generate("a photo of [name]", word: word, settings: settings))
    }

    @Test func studysSizeAndPromptAreUsed() throws {
        let session = try session("a <odd-thing>") { $0.data.resolution = PictureSize(width: 48, height: 32) }
        let vectors = session.initialState().vectors
        let png = try Preview(session, folder: InversionFixtures.tiny).render(vectors)
        #expect(Array(png[16..<24]) == [0, 0, 0, 48, 0, 0, 0, 32])
        let other = try self.session("two cats") { $0.data.resolution = PictureSize(width: 48, height: 32) }
        #expect(try Preview(other, folder: InversionFixtures.tiny).render(vectors) != png)
    }

    @Test func whatCannotBeRenderedIsRefused() throws {
        refusal(.input) { try Preview(InversionFixtures.shared.get(), folder: InversionFixtures.tiny) }
        let session = try session(), preview = try Preview(session, folder: InversionFixtures.tiny)
        refusal(.input) { try preview.render([1, 2]) }
        refusal(.numeric) { try preview.render(Array(repeating: .nan, count: 48)) }
        let study = try InversionFixtures.tinyStudy {
            $0.preview = PreviewSettings(every: 1)
            $0.preview?.prompt = String(repeating: "cat ", count: 80)
        }
        #expect(refusal(.prompt) { try StudyCheck.check(study, folder: InversionFixtures.tiny) }.hasPrefix("preview.prompt: "))
    }
}
