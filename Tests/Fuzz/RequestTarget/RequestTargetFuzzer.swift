import MicroHTTP

/// Splits the input as a request target; holds what comes of it to what the rest of the daemon relies on.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRequestTarget(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let target = try? RequestTarget(parsing: input) else { return 0 }
    precondition(!target.segments.isEmpty)
    for segment in target.segments {
        precondition(!segment.contains(0), "a NUL in a segment")
        precondition(segment != Array(".".utf8) && segment != Array("..".utf8), "a dot segment")
    }
    // Encoded anew, it is the same: nothing that was encoded has separated anything.
    let path = target.segments.map { "/" + encoded($0) }.joined()
    let query = target.query.map { encoded($0.name) + "=" + encoded($0.value) }.joined(separator: "&")
    guard let again = try? RequestTarget(parsing: Array("\(path)?\(query)".utf8)) else {
        preconditionFailure("refused when encoded anew")
    }
    // Whom an absolute form addresses is not said again.
    precondition(again.segments == target.segments, "another path when encoded anew")
    precondition(again.query == target.query, "another query when encoded anew")
    return 0
}

private func encoded(_ bytes: [UInt8]) -> String {
    bytes.map { "%" + (String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)) }.joined()
}
