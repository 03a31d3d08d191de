// SPDX-License-Identifier: Apache-2.0
import Blobs
import Foundation
import WireMessages

/// Frames of a blob message, to both sides: the first byte says how many frames and whether the magic is right, then come lengths.
func fuzzBlobMessages(_ input: Data) {
    let frames = frames(input)
    if let (id, request) = try? BlobCodec.decodeRequest(frames) {
        guard let again = try? BlobCodec.decodeRequest(BlobCodec.encode(request, id: id)) else { fatalError("a request cannot be sent on") }
        precondition(again.id == id && again.request == request, "a request came back as another one")
    }
    if let (id, reply) = try? BlobCodec.decodeReply(frames) {
        guard let again = try? BlobCodec.decodeReply(BlobCodec.encode(reply, id: id)) else { fatalError("a reply cannot be sent on") }
        precondition(again.id == id && again.reply == reply, "a reply came back as another one")
    }
}

/// An envelope to a coordinator, or to a worker or client if the first byte is odd.
func fuzzEnvelopes(_ input: Data) {
    guard let first = input.first else { return }
    let side: WireSide = first & 1 == 0 ? .coordinator : .peer
    guard let envelope = try? WireCodec.decode([Data(WireLimits.magic), Data(input.dropFirst())], at: side) else { return }
    // What was let in obeys the rules, so it can be sent as well, and means the same.
    guard let frames = try? WireCodec.encode(envelope), let again = try? WireCodec.decode(frames, at: side) else {
        fatalError("an envelope cannot be sent on")
    }
    precondition(again == envelope || "\(again)" == "\(envelope)", "an envelope came back as another one")
}

/// A manifest's text.
func fuzzManifests(_ input: Data) {
    guard let manifest = try? Manifest(parsing: input) else { return }
    for file in manifest.files { precondition(SafePath.complaint(file.path) == nil, "an unsafe path was let in") }
    guard let again = try? Manifest(parsing: manifest.text) else { fatalError("a manifest's own text cannot be read") }
    precondition(again == manifest && again.text == manifest.text, "a manifest's text is not canonical")
}

private func frames(_ input: Data) -> [Data] {
    guard let first = input.first else { return [] }
    var rest = input.dropFirst()
    var frames: [Data] = first & 0x80 == 0 ? [Data(BlobLimits.magic)] : []
    for _ in 0..<(first & 7) {
        guard let low = rest.popFirst() else { break }
        let length = Int(low)
        frames.append(Data(rest.prefix(length)))
        rest = rest.dropFirst(length)
    }
    // The last one takes what is left, so that a long header is as easy to find as a short one.
    if !rest.isEmpty { frames.append(Data(rest)) }
    return frames
}
