// SPDX-License-Identifier: Apache-2.0
import Foundation
import Pictures
import StableDiffusion
import Studies
import Tensors
import Testing

@testable import TextualInversion

@Suite struct LatentDataSetTests {
    private let model: ModelFolder

    init() throws { model = try InversionFixtures.tiny }

    private func load(
        _ folder: String = InversionFixtures.path("pictures"), _ size: PictureSize? = nil, flips: Bool = false
    ) throws -> LatentDataSet {
        try LatentDataSet(folder: folder, size: size, flips: flips, model: model)
    }

    @Test func picturesComeInTheOrderOfTheirNames() throws {
        let data = try load()
        #expect(
            data.items.map { $0.file.split(separator: "/").last } == [
                "01-red_box.png", "02.png", "3d-thing.png", "blue dog.png", "cat.png",
            ])
        #expect(data.items.map(\.caption) == ["red box", "a green cross, small", "3d-thing", "blue dog", "the [name] and a cat"])
        #expect(data.latentSize == [4, 4] && data.scalingFactor == 0.3)
        #expect(
            data.items.allSatisfy {
                $0.moments.mean.shape == [1, 4, 4, 4] && $0.moments.logVariance.shape == [1, 4, 4, 4] && $0.flipped == nil
            })
    }

    @Test func flippedMomentsAreThoseOfTheMirrorImage() throws {
        let data = try load(flips: true)
        let folder = try TemporaryFolder()
        for item in data.items {
            try Picture(path: item.file).flippedHorizontally().writePNG(to: folder.file(String(item.file.split(separator: "/").last ?? "")))
        }
        let mirrored = try load(folder.path)
        for (item, other) in zip(data.items, mirrored.items) {
            #expect(
                item.flipped?.mean.values == other.moments.mean.values
                    && item.flipped?.logVariance.values == other.moments.logVariance.values)
            #expect(item.flipped?.mean.values != item.moments.mean.values)
        }
        #expect(mirrored.items.count == 5)
    }

    @Test func flipsAreMadeWhenTheStudyFlips() throws {
        #expect(try InversionFixtures.shared.get().dataSet.items.allSatisfy { $0.flipped != nil })
        #expect(try InversionFixtures.tinySession { $0.data.flip = 0 }.dataSet.items.allSatisfy { $0.flipped == nil })
    }

    @Test func heightComesBeforeWidthInLatents() throws {
        let data = try load(InversionFixtures.path("pictures"), PictureSize(width: 48, height: 24))
        #expect(data.latentSize == [3, 6] && data.items[0].moments.mean.shape == [1, 3, 6, 4])
    }

    @Test func trainingWorksOnOblongPictures() throws {
        let session = try InversionFixtures.tinySession { $0.data.resolution = PictureSize(width: 48, height: 24) }
        #expect(try session.train(session.initialState(), trial: 0, until: 2).state.step == 2)
    }

    @Test(arguments: [(36, 32), (32, 36), (0, 32), (32, 0), (-8, 32), (4, 4), (4104, 32), (32, 8192), (Int.max, 8)])
    func sizesThatTheModelCannotHaveAreRefused(_ width: Int, _ height: Int) {
        let line = refusal(.input) { try load(InversionFixtures.path("pictures"), PictureSize(width: width, height: height)) }
        #expect(line.contains("data.resolution") && line.contains("\(width) x \(height)") && line.contains("multiples of 8"))
    }

    @Test func digestIsOfPixelsAndCaptionsAlone() throws {
        let original = try load()
        #expect(original.digest.count == 64 && original.digest.allSatisfy { $0.isHexDigit })
        let folder = try TemporaryFolder(copying: InversionFixtures.path("pictures"))
        for name in ["02.png", "02.txt"] {
            try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: folder.file(name))
        }
        #expect(try load(folder.path).digest == original.digest, "not of times")

        // Another spelling of the same pixels and captions: a bitmap encoded anew, a side-car for a file name.
        try Picture(path: folder.file("02.png")).writePNG(to: folder.file("02.png"), text: ["Comment": "encoded anew"])
        try FileManager.default.moveItem(atPath: folder.file("01-red_box.png"), toPath: folder.file("000.png"))
        try folder.write("red box", to: "000.txt")
        #expect(try load(folder.path).digest == original.digest, "not of files")

        var digests: Set<String> = [original.digest]
        func expectAnother(_ digest: String, _ why: Comment, sourceLocation: SourceLocation = #_sourceLocation) {
            #expect(digests.insert(digest).inserted, why, sourceLocation: sourceLocation)
        }
        expectAnother(try load(folder.path, flips: true).digest, "flips")
        expectAnother(try load(folder.path, PictureSize(width: 40, height: 32)).digest, "size")
        expectAnother(try load(folder.path, PictureSize(width: 32, height: 40)).digest, "size")
        try folder.write("a red box", to: "000.txt")
        expectAnother(try load(folder.path).digest, "caption")
        try folder.write("red box", to: "000.txt")
        let picture = try Picture(path: folder.file("02.png"))
        var pixels = picture.pixels
        pixels[100] ^= 1
        try Picture(width: 32, height: 32, pixels: pixels).writePNG(to: folder.file("02.png"))
        expectAnother(try load(folder.path).digest, "one pixel")
        try FileManager.default.removeItem(atPath: folder.file("02.png"))
        expectAnother(try load(folder.path).digest, "one picture less")
    }

    @Test func folderWithoutPicturesIsRefused() throws {
        let folder = try TemporaryFolder()
        #expect(throws: PictureError.self) { try load(folder.path) }
        #expect(throws: PictureError.self) { try load(folder.file("none")) }
        try folder.write("no picture", to: "a.png")
        #expect(throws: PictureError.self) { try load(folder.path) }
    }

    @Test func readingStopsBetweenPictures() {
        var calls = 0
        refusal(.cancelled) {
            try LatentDataSet(folder: InversionFixtures.path("pictures"), size: nil, flips: false, model: model) {
                calls += 1
                return calls == 3
            }
        }
        #expect(calls == 3)
    }
}
