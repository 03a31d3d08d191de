// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import Testing
import WireMessages

@testable import Blobs

@Suite struct CodecTests {
    private static let digest = BlobDigest(of: Data("abc".utf8))

    static let requests: [BlobRequest] = [
        .hello(major: 2, minor: 0, program: "test 1"), .stat(digest), .fetch(digest, offset: 1 << 40, length: 1 << 20),
        .put(digest, size: 0), .put(digest, size: 1 << 50), .putData(offset: 7, Data([1, 2, 3])), .putData(offset: 0, Data()), .putAbort,
    ]

    static let replies: [BlobReply] = [
        .welcome(welcome), .stat(digest, size: nil), .stat(digest, size: 0), .chunk(digest, offset: 5, size: 8, Data([1, 2, 3])),
        .chunk(digest, offset: 0, size: 0, Data()), .pull(offset: 9, length: 1), .putDone(digest, alreadyThere: true), .wait,
        .error(.notFound, "not here"),
    ]

    private static var welcome: BlobWelcome {
        var welcome = BlobWelcome()
        welcome.program = "test 2"
        welcome.rights = .all
        return welcome
    }

    @Test func messagesComeBack() throws {
        for request in Self.requests {
            let (id, back) = try BlobCodec.decodeRequest(BlobCodec.encode(request, id: .max))
            #expect(id == .max && back == request)
        }
        for reply in Self.replies {
            let (id, back) = try BlobCodec.decodeReply(BlobCodec.encode(reply, id: 7))
            #expect(id == 7 && back == reply)
        }
    }

    @Test func theWrongSideRefuses() {
        for request in Self.requests {
            #expect(throws: BlobMessageError.self) { try BlobCodec.decodeReply(BlobCodec.encode(request, id: 1)) }
        }
        for reply in Self.replies { #expect(throws: BlobMessageError.self) { try BlobCodec.decodeRequest(BlobCodec.encode(reply, id: 1)) } }
    }

    @Test func framesAreCounted() {
        let good = BlobCodec.encode(.stat(Self.digest), id: 1)
        let piece = BlobCodec.encode(.putData(offset: 0, Data([1])), id: 1)
        for frames in [
            [], [Data()], [good[0]], [good[1]], [good[1], good[0]], good + [Data()], good + [Data(), Data()], Array(piece.prefix(2)),
            piece + [Data()], [Data("PWD1".utf8), good[1]], [Data("PWB2x".utf8), good[1]],
            [good[0], Data(count: BlobLimits.headerBytes + 1)],
        ] {
            #expect(throws: BlobMessageError.self) { try BlobCodec.decodeRequest(frames) }
        }
    }

    @Test func fieldsAreChecked() throws {
        func refused(_ change: (inout WireBlobMessage) -> Void) throws -> UInt64? {
            var message = WireBlobMessage()
            message.requestID = 5
            change(&message)
            let frames = [Data("PWB2".utf8), try message.serializedData() as Data]
            do throws(BlobMessageError) {
                _ = try BlobCodec.decodeRequest(frames)
                return nil
            } catch {
                return error.requestID
            }
        }
        func fetch(_ offset: UInt64, _ length: UInt32, digest: Data = CodecTests.digest.bytes) throws -> UInt64? {
            try refused {
                $0.fetch.digest = digest
                $0.fetch.offset = offset
                $0.fetch.length = length
            }
        }
        #expect(try fetch(0, 1) == nil)
        #expect(try fetch(0, 0) == 5)
        #expect(try fetch(0, .max) == 5)
        #expect(try fetch(.max, 1) == 5)
        #expect(try fetch(1 << 63, 1) == 5)
        #expect(try fetch(0, 1, digest: Data(count: 31)) == 5)
        #expect(
            try refused {
                $0.put.digest = Self.digest.bytes
                $0.put.size = .max
            } == 5)
        #expect(try refused { $0.hello.protocolMajor = 0 } == 5)
        #expect(
            try refused {
                $0.hello.protocolMajor = 3
                $0.hello.program = "\n"
            } == nil)
        #expect(
            try refused {
                $0.hello.protocolMajor = 2
                $0.hello.program = "\n"
            } == 5)
        #expect(
            try refused {
                $0.stat.digest = Self.digest.bytes
                $0.requestID = 0
            } == 0)
        #expect(try refused { _ in } == 5)
    }

    @Test func repliesAreChecked() throws {
        func refused(_ change: (inout WireBlobMessage) -> Void, payload: Data? = nil) throws -> Bool {
            var message = WireBlobMessage()
            change(&message)
            let frames = [Data("PWB2".utf8), try message.serializedData() as Data] + (payload.map { [$0] } ?? [])
            return (try? BlobCodec.decodeReply(frames)) == nil
        }
        #expect(try refused { $0.welcome = WireBlobWelcome() })
        #expect(
            try refused(
                {
                    $0.chunk.digest = Self.digest.bytes
                    $0.chunk.size = 2
                }, payload: Data([1, 2, 3])))
        #expect(
            try refused(
                {
                    $0.chunk.digest = Self.digest.bytes
                    $0.chunk.size = 2
                    $0.chunk.offset = 3
                }, payload: Data()))
        #expect(
            try refused(
                {
                    $0.chunk.digest = Self.digest.bytes
                    $0.chunk.size = .max
                }, payload: Data()))
        #expect(try refused { $0.error.message = "\u{1B}[2J" })
        #expect(
            try !refused {
                $0.error.message = "new"
                $0.error.code = .UNRECOGNIZED(77)
            })
    }
}
