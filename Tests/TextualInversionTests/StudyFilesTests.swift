// SPDX-License-Identifier: Apache-2.0
import Foundation
import StableDiffusion
import Studies
import Testing

@testable import TextualInversion

/// What a study needs as files, and that copies of them elsewhere give the same bits.
@Suite struct StudyFilesTests {
    @Test func filesAreListedWithTheirRoles() throws {
        let study = try InversionFixtures.tinyStudy { $0.pseudoword.initialization = .file("/v.pt") }
        let files = try StudyFiles.list(study)
        let names = ["01-red_box.png", "02.png", "02.txt", "3d-thing.png", "blue dog.png", "cat.png", "cat.txt", "templates.txt", "v.pt"]
        #expect(files.map(\.name) == names)
        let roles: [StudyFiles.Role] = [.picture, .picture, .caption, .picture, .picture, .picture, .caption, .templates, .initialization]
        #expect(files.map(\.role) == roles)
        #expect(files.allSatisfy { $0.path.hasPrefix("/") })
    }

    @Test func sideCarOfTwoPicturesIsListedOnce() throws {
        let folder = try TemporaryFolder(copying: InversionFixtures.path("pictures"))
        try FileManager.default.copyItem(atPath: folder.file("02.png"), toPath: folder.file("02.webp"))
        let files = try StudyFiles.list(InversionFixtures.tinyStudy { $0.data.pictures = folder.path })
        #expect(files.count { $0.name == "02.txt" } == 1 && files.count { $0.role == .picture } == 6)
    }

    @Test func copiesElsewhereGiveTheSameBits() throws {
        let study = try InversionFixtures.tinyStudy(), folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("p"), withIntermediateDirectories: true)
        var places: [String: String] = [:]
        for (index, file) in try StudyFiles.list(study).enumerated() {
            // Single files may have any name, pictures and captions keep theirs.
            let isInFolder = file.role == .picture || file.role == .caption
            let place = folder.file(isInFolder ? "p/\(file.name)" : "blob-\(index)")
            places[file.path] = place
            try FileManager.default.copyItem(atPath: file.path, toPath: place)
        }
        let model = try TemporaryFolder(), source = try InversionFixtures.tiny
        for file in try source.files() {
            let place = URL(fileURLWithPath: model.file(file))
            try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: source.path + "/" + file, toPath: place.path)
        }
        let moved = study.relocated(pictures: folder.file("p")) { places[$0] ?? "/nowhere" }
        let session = try InversionSession(study: moved, folder: ModelFolder(path: model.path))
        let original = try InversionFixtures.shared.get()
        #expect(session.dataDigest == original.dataDigest && session.modelDigest == original.modelDigest)
        #expect(session.prompts == original.prompts)
        let states = try [session, original].map { try $0.train($0.initialState(), trial: 0, until: 3).state }
        #expect(states[0] == states[1])
    }

    @Test func modelFilesAreThoseThatAreRead() throws {
        let files = try InversionFixtures.tiny.files()
        #expect(Set(files).count == files.count && files.allSatisfy { !$0.hasPrefix("/") })
        #expect(try files.contains(InversionFixtures.tiny.autoencoderWeights()))
        let folder = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
        try FileManager.default.removeItem(atPath: folder.file("tokenizer/merges.txt"))
        #expect(throws: ModelError.self) { try ModelFolder(path: folder.path).files() }
    }
}
