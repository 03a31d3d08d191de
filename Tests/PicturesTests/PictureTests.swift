// SPDX-License-Identifier: Apache-2.0

import Foundation
import Pictures
import Testing

@Suite struct PictureTests {
    private let small = Picture(width: 2, height: 1, pixels: [0, 127, 255, 10, 20, 30])

    @Test func channelsLastGoesThereAndBack() {
        let values = small.channelsLast()
        #expect(values[0] == -1 && values[2] == 1 && abs(values[1]) < 0.005)
        #expect(Picture(channelsLast: values, width: 2, height: 1) == small)
        let every = Picture(width: 256, height: 1, pixels: (0..<768).map { UInt8($0 / 3) })
        #expect(Picture(channelsLast: every.channelsLast(), width: 256, height: 1) == every)
    }

    @Test func valuesOutsideAreClamped() {
        let picture = Picture(channelsLast: [-9, 9, .nan, .infinity, -.infinity, 0], width: 2, height: 1)
        #expect(picture.pixels == [0, 255, 0, 255, 0, 128])
    }

    @Test func flippingExchangesLeftAndRight() {
        #expect(small.flippedHorizontally().pixels == [10, 20, 30, 0, 127, 255])
        #expect(small.flippedHorizontally().flippedHorizontally() == small)
    }

    @Test(arguments: [(20, 15), (128, 96), (61, 20), (17, 47), (3, 2), (61, 47)])
    func resizesAsPillowDoes(width: Int, height: Int) throws {
        let resized = try Fixtures.expected("photo").resized(width: width, height: height)
        #expect(try #require(resized.largestDifference(from: Fixtures.expected("resize-\(width)x\(height)"))) <= 1)
    }

    @Test(arguments: [(32, 32), (16, 40), (24, 10), (64, 64)])
    func cropsAsPillowFits(width: Int, height: Int) throws {
        let cropped = try Fixtures.expected("photo").resizedAndCropped(width: width, height: height)
        #expect(try #require(cropped.largestDifference(from: Fixtures.expected("fit-\(width)x\(height)"))) <= 1)
    }

    @Test func croppingKeepsTheAnchoredPart() {
        let halves = Picture(width: 40, height: 10, pixels: (0..<400).flatMap { $0 % 40 < 20 ? [UInt8]([200, 0, 0]) : [0, 0, 200] })
        let left = halves.resizedAndCropped(width: 10, height: 10, anchor: .init(x: 0, y: 0.5))
        let right = halves.resizedAndCropped(width: 10, height: 10, anchor: .init(x: 1, y: 0.5))
        #expect(Array(left.pixels.prefix(3)) == [200, 0, 0])
        #expect(Array(right.pixels.suffix(3)) == [0, 0, 200])
    }

    @Test func extremeShapesResize() {
        let line = Picture(width: 5000, height: 1, red: 9, green: 90, blue: 200)
        for picture in [line.resized(width: 1, height: 300), line.resizedAndCropped(width: 64, height: 64), line.fitted(side: 30)] {
            #expect(stride(from: 0, to: picture.pixels.count, by: 3).allSatisfy { Array(picture.pixels[$0..<($0 + 3)]) == [9, 90, 200] })
        }
        #expect(line.fitted(side: 30).height == 1)
    }
}

@Suite struct PNGWritingTests {
    @Test func whatIsWrittenIsReadBack() throws {
        let photo = try Fixtures.expected("photo")
        #expect(try Picture(bytes: photo.pngData(), name: "x") == photo)
        #expect(try Picture(bytes: photo.pngData(text: ["parameters": "a photo", "Title": "œuf 心"]), name: "x") == photo)
    }

    @Test func textIsStoredWhereReadersLookForIt() throws {
        let file = try Picture(width: 1, height: 1, red: 0, green: 0, blue: 0).pngData(text: ["b": "caf\u{E9}", "a": "心"])
        let text = String(decoding: file, as: Unicode.ASCII.self)
        let (first, second) = (try #require(text.range(of: "iTXta")), try #require(text.range(of: "tEXtb")))
        #expect(first.lowerBound < second.lowerBound)
        #expect(file.indices.contains { file[$0...].starts(with: Array("tEXtb".utf8) + [0, 0x63, 0x61, 0x66, 0xE9]) })
    }

    @Test(arguments: ["", " a", "a ", "a\n", "心", String(repeating: "k", count: 80)])
    func refusesKeywordsThatPNGDoesNotAllow(keyword: String) {
        let picture = Picture(width: 1, height: 1, red: 0, green: 0, blue: 0)
        #expect(throws: PictureError.self) { try picture.pngData(text: [keyword: "x"]) }
    }

    @Test func writingReplacesTheWholeFileAndLeavesNothingBehind() throws {
        try Fixtures.withTemporaryFolder { folder in
            let path = "\(folder)/out.png"
            try Data("old".utf8).write(to: URL(filePath: path))
            try Fixtures.expected("photo").writePNG(to: path)
            #expect(try Picture(path: path) == Fixtures.expected("photo"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["out.png"])
        }
        let error = #expect(throws: PictureError.self) { try Fixtures.expected("photo").writePNG(to: "/no/such/folder/out.png") }
        #expect(error?.code == .unwritable)
    }
}

@Suite struct PictureFolderTests {
    @Test func listsPicturesInByteOrder() throws {
        try Fixtures.withTemporaryFolder { folder in
            for name in ["b.PNG", "a.jpeg", "Z.webp", "c.jpg", "a.txt", ".hidden.png", "png"] {
                try Data().write(to: URL(filePath: "\(folder)/\(name)"))
            }
            try FileManager.default.createDirectory(atPath: "\(folder)/folder.png", withIntermediateDirectories: false)
            #expect(try PictureFolder.list(folder) == ["Z.webp", "a.jpeg", "b.PNG", "c.jpg"].map { "\(folder)/\($0)" })
            #expect(try PictureFolder.list(folder + "/").first == "\(folder)/Z.webp")
        }
    }

    @Test func refusesEmptyAndMissingFolders() throws {
        try Fixtures.withTemporaryFolder { folder in
            let empty = #expect(throws: PictureError.self) { try PictureFolder.list(folder) }
            #expect(empty?.message.contains("no picture in this folder") == true)
        }
        let missing = #expect(throws: PictureError.self) { try PictureFolder.list("/no/such/folder") }
        #expect(
            missing?.description
                == "/no/such/folder: cannot be listed: no such file or directory; expected a folder of PNG, JPEG or WebP pictures")
    }
}

@Suite struct ContactSheetTests {
    private let red = Picture(width: 64, height: 64, red: 255, green: 0, blue: 0)

    private func color(_ picture: Picture, _ x: Int, _ y: Int) -> [UInt8] {
        Array(picture.pixels[((y * picture.width + x) * 3)..<((y * picture.width + x) * 3 + 3)])
    }

    @Test func drawsPicturesInRowsAndColumns() {
        let blue = Picture(width: 64, height: 64, red: 0, green: 0, blue: 255)
        let sheet = Picture.grid(rows: [[red, blue]], columns: ["before", "after"], labels: ["heart"], tile: 128)
        let middle = sheet.height - 28 - 64
        #expect(color(sheet, sheet.width - 28 - 64, middle) == [0, 0, 255])
        #expect(color(sheet, sheet.width - 28 - 64 - 128 - 12, middle) == [255, 0, 0])
        #expect(color(sheet, 0, 0) == [255, 255, 255])
        #expect(sheet == Picture.grid(rows: [[red, blue]], columns: ["before", "after"], labels: ["heart"], tile: 128))
    }

    @Test func headingsAreDrawnInDarkInk() {
        let plain = Picture.grid(rows: [[red]])
        let headed = Picture.grid(rows: [[red]], columns: ["after"])
        #expect(headed.height > plain.height && headed.width == plain.width)
        let top = headed.pixels.prefix(headed.width * 3 * (28 + headed.height - plain.height - 2))
        #expect(top.contains { $0 < 80 })
        #expect(plain.pixels.prefix(plain.width * 3 * 26).allSatisfy { $0 == 255 })
    }

    @Test func unevenRowsOddShapesAndStrangeTextFit() {
        let wide = Picture(width: 200, height: 20, red: 0, green: 128, blue: 0)
        let printable = String((32...126).compactMap { UnicodeScalar($0).map(Character.init) })
        let sheet = ContactSheet(
            title: printable + "心\u{7}", columns: ["one", "two", "three"],
            rows: [.init(label: "two\nlines", pictures: [red, wide]), .init(pictures: [wide]), .init(label: "none", pictures: [])], tile: 96
        ).rendered()
        #expect(sheet.width > 96 * 2 && sheet.height > 96)
    }
}
