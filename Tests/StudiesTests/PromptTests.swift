// SPDX-License-Identifier: Apache-2.0

import Foundation
import Studies
import Testing

@Suite struct PromptTests {
    @Test(arguments: [(Templates.subject, 25, false), (.style, 19, false), (.subjectCaptions, 11, true), (.styleCaptions, 9, true)])
    func builtInListsNameThePseudoword(templates: Templates, count: Int, usesCaptions: Bool) throws {
        let list = try PromptTemplates(templates)
        #expect(list.lines.count == count && Set(list.lines).count == count)
        #expect(list.lines.allSatisfy { $0.contains("[name]") && $0.contains("[filewords]") == usesCaptions })
        #expect(list.usesCaptions == usesCaptions)
    }

    @Test func filewordsAreFilledInBeforeTheName() {
        let prompt = PromptTemplates.prompt(template: "a [name], [filewords]", name: "teal-heart", caption: "a [name] on [filewords]")
        #expect(prompt == "a teal-heart, a teal-heart on [filewords]")
        #expect(PromptTemplates.prompt(template: "[name][name]", name: "[name]", caption: "") == "[name][name]")
    }

    @Test func filesHaveOnePromptALine() throws {
        let templates = try PromptTemplates(text: "  a [name]\r\n\r\n\nthe [name], [filewords]  \n", source: "t.txt")
        #expect(templates.lines == ["a [name]", "the [name], [filewords]"])
    }

    @Test(arguments: [
        ("a [name]\n\na photo", "t.txt:3: found \"a photo\", expected a prompt with [name] in it"),
        ("[filewords]", "t.txt:1: found \"[filewords]\", expected a prompt with [name] in it"),
        ("\n\n", "t.txt: has 0 prompts, expected 1 to 10000, one a line"),
        ("[name]" + String(repeating: "x", count: 1000), "t.txt:1: expected a prompt of at most 1000 bytes without zero bytes"),
    ])
    func promptsWithoutThePseudowordAreRefusedByLine(text: String, expected: String) {
        let error = #expect(throws: StudyError.self) { try PromptTemplates(text: text, source: "t.txt") }
        #expect(error?.description == expected)
    }

    @Test func missingTemplateFilesAreRefused() {
        let error = #expect(throws: StudyError.self) { try PromptTemplates(.file("/no/such/prompts.txt")) }
        #expect(error?.description == "/no/such/prompts.txt: cannot be read: no such file or directory")
    }
}

@Suite struct CaptionTests {
    @Test(arguments: [
        ("a/b.c/red_heart.png", "red heart"), ("001-red heart.jpg", "red heart"), ("12_red__heart.png", "red heart"),
        ("-3 - heart.png", "heart"),
        ("0001.png", ""), ("3d-render.png", "3d-render"), ("heart.v2.png", "heart.v2"), ("heart", "heart"), ("x/.png", ".png"),
        (".png", ".png"),
        ("7\u{663}.png", "7\u{663}"), ("", ""), ("a/", ""),
    ])
    func fileNamesBecomeWords(path: String, expected: String) {
        #expect(Captions.caption(fromFileName: path) == expected)
    }

    @Test func sideCarsComeFirst() throws {
        try withTemporaryFolder { folder in
            let picture = "\(folder)/001-heart.png"
            #expect(try Captions.caption(forPicture: picture) == "heart")
            try Data("\u{FEFF}  a teal\n heart \n".utf8).write(to: URL(filePath: "\(folder)/001-heart.txt"))
            #expect(try Captions.caption(forPicture: picture) == "a teal heart")
            try Data([0xC3, 0x28]).write(to: URL(filePath: "\(folder)/001-heart.txt"))
            #expect(throws: StudyError.self) { try Captions.caption(forPicture: picture) }
        }
    }
}
