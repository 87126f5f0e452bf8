import JSONText

/// Parses the input as JSON; what was parsed is not nested deeper than it may be, and parses the same again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    do throws(JSONMalformation) {
        let value = try JSONValue(parsing: input)
        precondition(depth(value) <= JSONValue.depthLimit + 1, "nested too deeply")
        precondition((try? JSONValue(parsing: [0x20] + input + [0x0a])) == value, "another value with space around it")
    } catch {
        precondition((0...count).contains(error.offset), "the failure is outside of the text")
    }
    return 0
}

private func depth(_ value: JSONValue) -> Int {
    switch value {
    case .array(let elements): 1 + (elements.map(depth).max() ?? 0)
    case .object(let members): 1 + (members.values.map(depth).max() ?? 0)
    default: 0
    }
}
