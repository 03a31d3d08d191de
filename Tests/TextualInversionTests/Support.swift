// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelFiles
import Pictures
import StableDiffusion
import Studies
import Testing

@testable import TextualInversion

/// The files of Tests/Fixtures/inversion, made by scripts/fixtures/make_inversion_fixtures.py.
enum InversionFixtures {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func path(_ name: String) -> String { root.appendingPathComponent("Tests/Fixtures/inversion/\(name)").path }

    static var starter: ModelFolder {
        get throws { try ModelFolder(path: root.appendingPathComponent("Sources/StarterModel/model").path) }
    }

    static var tiny: ModelFolder { get throws { try ModelFolder(path: path("tiny")) } }

    static func study(_ name: String) throws -> Study { try Study.load(path: path("\(name).yaml")) }

    /// The tiny study as it stands or changed.
    static func tinyStudy(_ change: (inout Study) -> Void = { _ in }) throws -> Study {
        var study = try study("tiny")
        change(&study)
        return study
    }

    /// A session of the tiny study, changed.
    static func tinySession(_ change: (inout Study) -> Void = { _ in }) throws -> InversionSession {
        try InversionSession(study: tinyStudy(change), folder: tiny)
    }

    /// A session of the tiny study as it stands; several tests share it.
    static let shared = Result { try tinySession() }

    static func json<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: path(name))))
    }
}

/// |a - b| / |b| over all elements.
func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    guard a.count == b.count else { return .infinity }
    let (difference, size) = zip(a, b).reduce((0.0, 0.0)) { sums, pair in
        let (x, y) = (Double(pair.0), Double(pair.1))
        return (sums.0 + (x - y) * (x - y), sums.1 + y * y)
    }
    if difference == 0 { return 0 }
    let error = (difference / size).squareRoot()
    return error.isNaN ? .infinity : error
}

/// The largest |a - b| of two lists.
func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).map { abs($0 - $1) }.max() ?? 0
}

/// What a call is refused with: an `InversionError` of one line.
@discardableResult
func refusal(
    _ code: InversionError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> some Any
) -> String {
    let error = #expect(throws: InversionError.self, sourceLocation: sourceLocation) { _ = try body() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    let line = error?.description ?? ""
    #expect(!line.isEmpty && !line.contains { $0.isNewline }, sourceLocation: sourceLocation)
    return line
}

/// A folder that goes with its last user.
final class TemporaryFolder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("pseudoword-inversion-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    /// A copy of a file or folder.
    convenience init(copying source: String) throws {
        try self.init()
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.copyItem(atPath: source, toPath: path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ text: String, to name: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: file(name))) }

    /// Writes a weights file anew after `change` has been at each tensor.
    func rewrite(_ name: String, _ change: (_ tensor: String, _ values: inout [Float]) -> Void) throws {
        let source = try SafeTensorsFile(path: file(name))
        let tensors = try source.names.map { tensor in
            var values = try source.floats(named: tensor)
            change(tensor, &values)
            return (name: tensor, shape: try #require(source.tensor(named: tensor)).shape, values: values)
        }
        try SafeTensorsWriter.write(tensors: tensors, to: file(name))
    }
}

/// The time that this thread has computed: unlike the clock on the wall, it does not count what else the machine does.
func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// A history without the wall-clock times.
struct TimelessRow: Equatable {
    let step: Int
    let loss: Double, learningRate: Double
    let gradientNorm: Float, embeddingNorm: Float

    init(_ row: HistoryRow) {
        step = row.step
        (loss, learningRate, gradientNorm, embeddingNorm) = (row.loss, row.learningRate, row.gradientNorm, row.embeddingNorm)
    }
}

extension TrainedSegment {
    var timeless: [TimelessRow] { history.map(TimelessRow.init) }
}
