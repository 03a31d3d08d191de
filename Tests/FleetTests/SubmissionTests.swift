// SPDX-License-Identifier: Apache-2.0

import Blobs
import Foundation
import StableDiffusion
import Studies
import Testing

@testable import Fleet

/// A study's files on their way to the coordinator.
struct SubmissionTests {
    private let bench: Bench
    private static let starterModel = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources/StarterModel/model").path

    init() throws {
        bench = try Bench()
        try bench.makePictures(2)
        for (name, text) in [("pictures/001.txt", "a caption"), ("prompts.txt", "a [name]"), ("start.pt", "vectors")] {
            try Data(text.utf8).write(to: bench.folder.appendingPathComponent(name))
        }
    }

    private func yaml(model: String = "starter") -> String {
        FakeStudy().yaml.replacing("resolution: 128", with: "resolution: 128, templates: prompts.txt")
            .replacing("{text: circle}", with: "{file: start.pt}").replacing("model: starter", with: "model: \(model)")
    }

    private func package(_ yaml: String) throws -> StudyPackage {
        try StudyPackage(parsing: yaml, baseFolder: bench.folder.path, source: "study.yaml", locate: { try ModelFolder(path: $0) })
    }

    private func store(_ name: String = "store") throws -> BlobStore { try BlobStore(folder: bench.folder.appendingPathComponent(name)) }

    private func prepare(
        _ yaml: String, manifest: String, in store: BlobStore, locate: @escaping @Sendable (String) throws -> ModelFolder
    ) throws -> PreparedSubmission {
        try PreparedSubmission(
            yaml: yaml, baseFolder: bench.folder.path, source: "study.yaml", priority: 0, manifest: manifest, store: store, locate: locate)
    }

    @Test func everyFileHasItsPlaceInTheManifestAndTheStudyNamesItThere() throws {
        let package = try package(yaml())
        #expect(
            package.sources.map(\.path)
                == ["pictures/000.png", "pictures/001.png", "pictures/001.txt", "files/1-prompts.txt", "files/2-start.pt"])
        #expect(package.sources.map(\.role) == ["picture", "picture", "caption", "templates", "init"])
        #expect(package.sources.allSatisfy { $0.file.hasPrefix(bench.folder.path) })
        #expect(package.study.data.pictures == "pictures" && package.study.data.templates == .file("files/1-prompts.txt"))
        #expect(package.study.pseudoword.initialization == .file("files/2-start.pt") && package.study.model == "starter")
        let store = try store(), manifest = try package.manifest(in: store)
        #expect(manifest.pictureCount == 2 && !manifest.holdsModel && manifest.files.count == 5)
        #expect(manifest.files.allSatisfy { store.contains($0.digest) })
    }

    /// The folder on somebody's machine is no part of a study.
    @Test func copiesElsewhereAreTheSameStudy() throws {
        let other = try Bench()
        try FileManager.default.removeItem(at: other.folder)
        try FileManager.default.copyItem(at: bench.folder, to: other.folder)
        let (here, there) = (
            try package(yaml()),
            try StudyPackage(parsing: yaml(), baseFolder: other.folder.path, source: "s", locate: { try ModelFolder(path: $0) })
        )
        #expect(here.study == there.study)
        #expect(try here.manifest(in: store()).text == there.manifest(in: store("other")).text)
    }

    @Test func aModelThatIsHereGoesAlongFileByFile() throws {
        let package = try package(yaml(model: Self.starterModel))
        let model = package.sources.filter { $0.role == "model" }
        #expect(package.study.model == "model")
        #expect(Set(model.map(\.path)).isSuperset(of: ["model/unet/config.json", "model/tokenizer/merges.txt"]))
        #expect(model.allSatisfy { $0.file == Self.starterModel + $0.path.dropFirst("model".count) })
        // One that is not here is left to the coordinator.
        #expect(try !self.package(yaml(model: "/nowhere")).sources.contains { $0.role == "model" })
    }

    @Test func aCoordinatorAddsTheModelThatTheClientLacks() throws {
        let store = try store(), sent = try package(yaml(model: "/nowhere")).manifest(in: store)
        let prepared = try prepare(yaml(model: "/nowhere"), manifest: sent.text, in: store) { name in
            guard name == "/nowhere" else { throw FleetError(.notFound, name) }
            return try ModelFolder(path: Self.starterModel)
        }
        let manifest = try #require(prepared.manifest)
        #expect(manifest.holdsModel && manifest.files.count > sent.files.count && prepared.missing.isEmpty)
        #expect(prepared.study.model == "model" && prepared.new.encodeParts == 1 && prepared.new.manifest == manifest.text)
        let error = #expect(throws: FleetError.self) {
            try prepare(yaml(model: "/nowhere"), manifest: sent.text, in: store) { throw FleetError(.notFound, "no such model: \($0)") }
        }
        #expect(error?.code == .notFound && error?.message.contains("neither on the client's machine nor on the coordinator's") == true)
    }

    @Test func whatTheStoreLacksIsNamed() throws {
        let full = try store(), empty = try store("empty")
        let manifest = try package(yaml()).manifest(in: full)
        let prepared = try prepare(yaml(), manifest: manifest.text, in: empty) { try ModelFolder(path: $0) }
        #expect(Set(prepared.missing) == Set(manifest.files.map(\.digest)))
        _ = try empty.put(file: bench.folder.appendingPathComponent("prompts.txt"))
        #expect(try prepare(yaml(), manifest: manifest.text, in: empty) { try ModelFolder(path: $0) }.missing.count == 4)
    }

    @Test func aManifestThatIsNoneIsRefused() throws {
        let store = try store()
        let manifest = try package(yaml()).manifest(in: store)
        let blind = try Manifest(files: manifest.files.filter { $0.role != "picture" })
        for text in ["{", "[]", blind.text] {
            #expect(throws: (any Error).self) { try prepare(yaml(), manifest: text, in: store) { try ModelFolder(path: $0) } }
        }
    }

    @Test func withoutAManifestWorkersReadThePathsOfTheStudy() throws {
        let prepared = try prepare(yaml(), manifest: "", in: store()) { try ModelFolder(path: $0) }
        #expect(prepared.manifest == nil && prepared.missing.isEmpty && prepared.new.encodeParts == 0 && prepared.new.manifest.isEmpty)
        #expect(prepared.study.data.pictures == bench.folder.path + "/pictures")
    }
}
