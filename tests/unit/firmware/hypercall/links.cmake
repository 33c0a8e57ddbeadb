# Every register of every call at its extremes, alone and in pairs: minutes under AddressSanitizer.
set(area_searches *TakesEveryRegisterAtItsExtremes* *TakesPairsOfExtremes*)
